use std::time::Duration;

use tokio::{runtime::Handle, time::Instant};

/// The broker's time: simulated time in a simulation, otherwise the time since the first look at it.
#[derive(Debug, Default)]
pub(super) struct Clock {
    started: std::cell::OnceCell<Instant>,
    last: std::cell::Cell<Duration>,
}

impl Clock {
    /// The time; for whoever looks at the broker from outside of all hosts, when a host last looked.
    pub(super) fn now(&self) -> Duration {
        if let Some(now) = turmoil::sim_elapsed() {
            self.last.set(now);
        } else if Handle::try_current().is_ok() {
            self.last.set(self.started.get_or_init(Instant::now).elapsed());
        }
        self.last.get()
    }
}
