use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use ms2m_app::{
    Consumer, ConsumerConfig, IdentitySource, RamCell,
    engine::{ENV_RESTORE, Ram},
    io::{Entropy as _, OsEntropy},
};
use ms2m_counter::{Counter, CounterState, OutputTo};

use super::{Launch, Memory, Program, Snapshot};
use crate::{
    kubelet::{ContainerSpec, Exit},
    network::SimDial,
};

/// Where a counter pod mounts its identity.
pub(super) const IDENTITY_FILE: &str = "/etc/ms2m/pod-uid";

/// The real counter service, as an image.
#[derive(Clone, Debug)]
pub struct CounterProgram {
    /// The broker, as the pods know it.
    pub amqp_url: String,
    /// The queue to consume.
    pub queue: String,
    /// How many messages may be delivered ahead.
    pub prefetch: u16,
    /// How long it works on a message.
    pub work: Duration,
    /// Where it says what it has counted.
    pub output: OutputTo,
}

impl Program for CounterProgram {
    fn launch(&self, spec: &ContainerSpec, restored: Option<Snapshot>) -> Launch {
        let ram = restored
            .and_then(|snapshot| snapshot.downcast_ref::<Ram<CounterState>>().cloned())
            .unwrap_or_else(|| fresh(spec));
        let cell = RamCell::resume(ram);
        let (program, theirs) = (self.clone(), cell.clone());
        let identity = FixedIdentity(spec.files.get(IDENTITY_FILE).cloned());
        let main = move || {
            let run = async move { program.run(theirs, identity).await };
            Box::pin(run) as std::pin::Pin<Box<dyn Future<Output = Exit>>>
        };
        Launch { memory: Box::new(CounterMemory(cell)), main: Box::new(main) }
    }
}

fn fresh(spec: &ContainerSpec) -> Ram<CounterState> {
    Ram::fresh(spec.env.get(ENV_RESTORE).map(String::as_str))
        .with_state(CounterState::started(OsEntropy.token()))
}

impl CounterProgram {
    async fn run(self, cell: RamCell<CounterState>, identity: FixedIdentity) -> Exit {
        let uri = match self.amqp_url.parse() {
            Ok(uri) => uri,
            Err(error) => return Exit { code: 2, message: format!("MS2M_AMQP_URL: {error}") },
        };
        let config = ConsumerConfig { uri, queue: self.queue, prefetch: self.prefetch };
        let counter = Counter { output: Some(self.output), cost: self.work };
        let consumer =
            Consumer::new(config, counter, cell, Arc::new(SimDial), Arc::new(identity), Arc::new(OsEntropy));
        Exit { code: 3, message: consumer.run().await }
    }
}

/// The identity file of one container: a copy that runs elsewhere has another.
struct FixedIdentity(Option<String>);

#[async_trait]
impl IdentitySource for FixedIdentity {
    async fn pod_uid(&self) -> io::Result<String> {
        let uid = self.0.as_ref().map(|uid| uid.trim().to_owned());
        uid.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{IDENTITY_FILE} is not mounted")))
    }
}

/// The counter's RAM.
pub struct CounterMemory(RamCell<CounterState>);

impl CounterMemory {
    /// Looks at it.
    pub fn cell(&self) -> &RamCell<CounterState> {
        &self.0
    }
}

impl Memory for CounterMemory {
    fn snapshot(&self) -> Snapshot {
        Arc::new(self.0.snapshot())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
