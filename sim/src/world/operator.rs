use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use ms2m::{
    operator::{Deps, KubeletAccess, Settings, health::Health, run as run_operator},
    protocol::Intervals,
};
use ms2m_app::io::{Clock, OsEntropy, SystemClock};
use turmoil::Sim;

use super::{cluster::api_config, freezer::Freezer, objects};
use crate::{network::SimDial, plan::Scenario};

/// A host's clock, which may be set wrong.
#[derive(Clone, Debug, Default)]
pub struct SkewedClock(Arc<Skew>);

#[derive(Debug, Default)]
struct Skew {
    ahead_ms: AtomicI64,
    times_read_wrong: AtomicU64,
}

impl SkewedClock {
    /// Lets it jump so far forward, or back, in milliseconds.
    pub fn jump(&self, ms: i64) {
        self.0.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// How often it was read when it was wrong.
    pub fn times_read_wrong(&self) -> u64 {
        self.0.times_read_wrong.load(Ordering::Relaxed)
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        let ahead_ms = self.0.ahead_ms.load(Ordering::Relaxed);
        self.0.times_read_wrong.fetch_add(u64::from(ahead_ms != 0), Ordering::Relaxed);
        let skew = SignedDuration::from_millis(ahead_ms);
        now.checked_add(skew).unwrap_or(now)
    }
}

/// An operator on a host of its own, which has its name.
pub(super) fn host(sim: &mut Sim<'_>, name: &str, freezer: Freezer, clock: SkewedClock, scenario: &Scenario) {
    let (host, scenario) = (name.to_owned(), scenario.clone());
    sim.host(name, move || {
        let (host, clock, scenario) = (host.clone(), clock.clone(), scenario.clone());
        freezer.begin(async move { run(&host, clock, &scenario).await })
    });
}

/// The operator that ships, but that it may be quicker or slower to ask again.
async fn run(host: &str, clock: SkewedClock, scenario: &Scenario) -> Result<(), Box<dyn std::error::Error>> {
    let deps = Deps {
        cluster: api_config()?,
        dial: Arc::new(SimDial),
        clock: Arc::new(clock),
        entropy: Arc::new(OsEntropy),
        health: Health::default(),
        settings: Settings {
            kubelet: kubelet_access(scenario)?,
            transfer_image: objects::OPERATOR_IMAGE.to_owned(),
            concurrency: scenario.pace.concurrency,
            instance: host.to_owned(),
            broker_deadline: Duration::from_millis(scenario.pace.broker_deadline_ms),
            intervals: Intervals::scaled(scenario.pace.ask_again_percent),
            ..Settings::default()
        },
    };
    run_operator(deps, pending()).await?;
    Ok(())
}

/// The operator is at the kubelets who it is at the API server, as outside of the simulation.
fn kubelet_access(scenario: &Scenario) -> Result<KubeletAccess, Box<dyn std::error::Error>> {
    let direct = scenario.direct_kubelets.then(api_config).transpose()?;
    Ok(direct.map_or(KubeletAccess::Proxy, |config| KubeletAccess::Direct(Box::new(config))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumped_twice_is_right_when_it_has_jumped_back_twice() {
        let clock = SkewedClock::default();
        let is_wrong = || {
            let before = clock.times_read_wrong();
            clock.now();
            clock.times_read_wrong() > before
        };
        clock.jump(60_000);
        clock.jump(60_000);
        clock.jump(-60_000);
        assert!(is_wrong());
        clock.jump(-60_000);
        assert!(!is_wrong());
    }
}
