//! The shell around the engine: one AMQP connection at a time, and the steps that the engine asks for.

mod line;
mod outputs;
mod parse;
mod ram_cell;

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use lapin::uri::AMQPUri;

use self::line::{Line, LineError};
pub use self::ram_cell::RamCell;
use crate::{
    Handler, IdentitySource,
    engine::{PATIENCE_TICKS, Step},
    io::{Dial, Entropy},
};

/// How long to wait before connecting again.
const RECONNECT: Duration = Duration::from_millis(250);
/// How often the engine is told that time passes.
const TICK: Duration = Duration::from_millis(200);
/// Every how many ticks `HELLO` is due again.
const HELLO_TICKS: u32 = 5;
// The engine counts in ticks what docs/app-contract.md says in seconds.
const _: () = assert!(TICK.saturating_mul(PATIENCE_TICKS).as_secs() == 30);

/// What a [`Consumer`] connects to.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// The broker. A heartbeat above 10 s, or none, is lowered to 10 s: it is part of the pause when a node dies.
    pub uri: AMQPUri,
    /// The queue to consume, `Q`.
    pub queue: String,
    /// How many messages may be delivered ahead.
    pub prefetch: u16,
}

/// Consumes a queue: each message once into the state, in its producer's order, across migrations.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use ms2m_app::{Consumer, ConsumerConfig, Handler, IdentityFile, Malformed, Message, Output, RamCell, io};
/// struct Orders;
/// impl Handler for Orders {
///     type State = u64;
///     fn apply(&self, total: &mut u64, message: &Message) -> Result<Option<Output>, Malformed> {
///         let text = std::str::from_utf8(&message.body).map_err(|e| Malformed(e.to_string()))?;
///         *total += text.parse::<u64>().map_err(|e| Malformed(e.to_string()))?;
///         Ok(None)
///     }
/// }
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ConsumerConfig {
///     uri: "amqp://user:password@broker:5672/%2f".parse()?,
///     queue: "orders".into(),
///     prefetch: 32,
/// };
/// let dial = Arc::new(io::SocketDial::system_roots()?);
/// let identity = Arc::new(IdentityFile::from_env());
/// let ram = RamCell::fresh_from_env();
/// Consumer::new(config, Orders, ram, dial, identity, Arc::new(io::OsEntropy)).run().await;
/// # Ok(()) }
/// ```
pub struct Consumer<H: Handler> {
    config: ConsumerConfig,
    handler: H,
    ram: RamCell<H::State>,
    dial: Arc<dyn Dial>,
    identity: Arc<dyn IdentitySource>,
    entropy: Arc<dyn Entropy>,
}

impl<H: Handler> Consumer<H> {
    /// A consumer whose RAM is `ram`: fresh, or a copy that goes on where it was taken.
    pub fn new(
        mut config: ConsumerConfig,
        handler: H,
        ram: RamCell<H::State>,
        dial: Arc<dyn Dial>,
        identity: Arc<dyn IdentitySource>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let heartbeat = config.uri.query.heartbeat.filter(|seconds| (1..=10).contains(seconds)).unwrap_or(10);
        config.uri.query.heartbeat = Some(heartbeat);
        Self { config, handler, ram, dial, identity, entropy }
    }

    /// Consumes until there is nothing to consume for: returns why only when this process is a copy that nobody waits
    /// for. Connections that break are made again; dropping the future ends it.
    pub async fn run(self) -> String {
        loop {
            match self.serve_one_connection().await {
                Ok(reason) => return reason,
                Err(error) => {
                    tracing::info!(queue = self.config.queue, %error, "connecting again");
                    self.ram.lock().disconnected();
                    tokio::time::sleep(RECONNECT).await;
                }
            }
        }
    }

    async fn serve_one_connection(&self) -> Result<String, LineError> {
        // Asked before the connection is named by it, and again after it stands: a checkpoint may lie between the two.
        let name = self.identity.pod_uid().await.map_err(LineError::Identity)?;
        let mut line = Line::connect(&self.config, self.dial.as_ref(), &name).await?;
        let pod_uid = self.identity.pod_uid().await.map_err(LineError::Identity)?;
        if pod_uid != name {
            return Err(LineError::Moved);
        }
        let served = self.serve(&mut line, &pod_uid).await;
        line.close().await;
        served
    }

    async fn serve(&self, line: &mut Line, pod_uid: &str) -> Result<String, LineError> {
        self.ram.lock().connected(pod_uid, &self.config.queue, &self.entropy.token());
        line.open_control(pod_uid, self.entropy.token()).await?;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count = 0_u32;
        loop {
            line.take_in_ready(&self.ram)?;
            // Time passes for one who is busy, too: a target that never runs out of messages still says its progress.
            if ticks.tick().now_or_never().is_some() {
                self.ticked(&mut count);
            }
            let step = self.ram.lock().next_step(&self.handler);
            let Some(step) = step else {
                tokio::select! {
                    biased;
                    taken = line.take_in_next(&self.ram) => taken?,
                    _ = ticks.tick() => self.ticked(&mut count),
                }
                continue;
            };
            let result = line.perform(&step).await?;
            let then = self.ram.lock().done(&self.handler, &step, result);
            if let Some(Step::Exit(reason)) = then {
                return Ok(reason);
            }
        }
    }

    fn ticked(&self, count: &mut u32) {
        *count = count.wrapping_add(1);
        self.ram.lock().ticked(count.is_multiple_of(HELLO_TICKS));
    }

    /// The RAM, to be looked at or copied.
    pub fn ram(&self) -> RamCell<H::State> {
        self.ram.clone()
    }
}
