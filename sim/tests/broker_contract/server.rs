use std::{io::Write as _, process::Command};

use ms2m_sim::amqp::SharedBroker;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Environment variable: a program that does with the real broker what `rabbitmqctl` does.
const CTL: &str = "MS2M_TEST_RABBITMQ_CTL";

/// Cases use the real broker at the same time, except for those that do something to it as a whole.
static REAL: RwLock<()> = RwLock::const_new(());

/// The broker as a whole.
pub(super) enum Server {
    Simulated(SharedBroker),
    Real { case: String, shared: Mutex<Option<RwLockReadGuard<'static, ()>>> },
}

/// The broker with no other case at it. An alarm ends with it.
pub(super) enum Whole<'a> {
    Simulated(&'a SharedBroker),
    Real { ctl: String, _alone: RwLockWriteGuard<'static, ()> },
}

impl Server {
    pub(super) async fn shared(case: &str) -> Self {
        Self::Real { case: case.to_owned(), shared: Mutex::new(Some(REAL.read().await)) }
    }

    /// Waits until every other case is done; none, and says so, where nobody can do anything to the real broker.
    pub(super) async fn whole(&self) -> Option<Whole<'_>> {
        match self {
            Self::Simulated(broker) => Some(Whole::Simulated(broker)),
            Self::Real { case, shared } => {
                let Ok(ctl) = std::env::var(CTL) else {
                    let _ = writeln!(std::io::stderr(), "skipped real::{case}: {CTL} is not set");
                    return None;
                };
                drop(shared.lock().await.take());
                Some(Whole::Real { ctl, _alone: REAL.write().await })
            }
        }
    }
}

impl Whole<'_> {
    /// From now on the broker has too little memory for messages.
    pub(super) fn raise_memory_alarm(&self) {
        match self {
            Self::Simulated(broker) => broker.raise_memory_alarm(),
            Self::Real { ctl, .. } => run(ctl, &["set_vm_memory_high_watermark", "0"]),
        }
    }

    /// It has enough again.
    pub(super) fn end_memory_alarm(&self) {
        match self {
            Self::Simulated(broker) => broker.end_memory_alarm(),
            Self::Real { ctl, .. } => run(ctl, &["set_vm_memory_high_watermark", "0.8"]),
        }
    }

    /// Stops it and starts it again.
    pub(super) fn restart(&self) {
        match self {
            Self::Simulated(broker) => broker.restart(),
            Self::Real { ctl, .. } => {
                run(ctl, &["stop_app"]);
                run(ctl, &["start_app"]);
            }
        }
    }
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        // A case that failed under the alarm must not take the others with it.
        if std::thread::panicking() {
            self.end_memory_alarm();
        }
    }
}

fn run(ctl: &str, arguments: &[&str]) {
    let output = Command::new(ctl).args(arguments).output().expect("the program can be run");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
