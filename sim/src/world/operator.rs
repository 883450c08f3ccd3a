use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use ms2m::operator::{Deps, Settings, health::Health, run as run_operator};
use ms2m_app::io::{Clock, OsEntropy, SystemClock};
use turmoil::Sim;

use super::{cluster::api_config, freezer::Freezer, objects};
use crate::{network::SimDial, plan::Pace};

/// A host's clock, which may be set wrong.
#[derive(Clone, Debug, Default)]
pub struct SkewedClock(Arc<AtomicI64>);

impl SkewedClock {
    /// Sets it so far ahead of the others, in milliseconds.
    pub fn set(&self, ahead_ms: i64) {
        self.0.store(ahead_ms, Ordering::Relaxed);
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        let skew = SignedDuration::from_millis(self.0.load(Ordering::Relaxed));
        now.checked_add(skew).unwrap_or(now)
    }
}

/// An operator on a host of its own, which has its name.
pub(super) fn host(sim: &mut Sim<'_>, name: &str, freezer: Freezer, clock: SkewedClock, pace: &Pace) {
    let (host, pace) = (name.to_owned(), pace.clone());
    sim.host(name, move || {
        let (host, clock, pace) = (host.clone(), clock.clone(), pace.clone());
        freezer.begin(async move { run(&host, clock, &pace).await })
    });
}

/// The operator that ships.
async fn run(host: &str, clock: SkewedClock, pace: &Pace) -> Result<(), Box<dyn std::error::Error>> {
    let deps = Deps {
        cluster: api_config()?,
        dial: Arc::new(SimDial),
        clock: Arc::new(clock),
        entropy: Arc::new(OsEntropy),
        health: Health::default(),
        settings: Settings {
            transfer_image: objects::OPERATOR_IMAGE.to_owned(),
            concurrency: pace.concurrency,
            instance: host.to_owned(),
            broker_deadline: Duration::from_millis(pace.broker_deadline_ms),
            ..Settings::default()
        },
    };
    run_operator(deps, pending()).await?;
    Ok(())
}
