use std::time::Duration;

use jiff::Timestamp;

/// One container of a pod, as its kubelet sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) state: State,
    /// How the one before ended.
    pub(super) last: Option<Ended>,
    pub(super) restarts: u32,
    /// Ends in a row that each came soon after their start.
    pub(super) quick_failures: u32,
    /// Whether the next start follows an end, and counts as a restart.
    pub(super) is_restart: bool,
    /// Whether it is to be started as soon as possible.
    pub(super) is_due: bool,
    pub(super) pod_ip: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// It does not run, and is going to.
    Waiting {
        reason: &'static str,
        message: String,
    },
    /// The runtime has been asked to start it.
    Starting,
    Running {
        id: String,
        started_at: Timestamp,
    },
    Terminated(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Timestamp,
}

/// When a container that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub(super) fn read(policy: Option<&str>) -> Self {
        match policy {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }

    pub(super) fn restarts_after(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

impl Container {
    pub(super) fn new(name: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: image.to_owned(),
            state: State::Waiting { reason: "ContainerCreating", message: String::new() },
            last: None,
            restarts: 0,
            quick_failures: 0,
            is_restart: false,
            is_due: true,
            pod_ip: String::new(),
        }
    }

    /// The runtime's id of the container, also when it has ended.
    pub(super) fn id(&self) -> Option<&str> {
        match &self.state {
            State::Running { id, .. } => Some(id),
            State::Terminated(ended) => Some(&ended.id),
            State::Waiting { .. } | State::Starting => self.last.as_ref().map(|ended| ended.id.as_str()),
        }
    }

    /// Records an end, and returns how long to wait before the next start; none when there is none.
    pub(super) fn end(
        &mut self,
        ended: Ended,
        policy: RestartPolicy,
        backoff: (Duration, Duration),
    ) -> Option<Duration> {
        let (first, max) = backoff;
        let ran = Duration::try_from(ended.finished_at.duration_since(ended.started_at)).unwrap_or_default();
        let code = ended.code;
        if !policy.restarts_after(code) {
            self.state = State::Terminated(ended);
            return None;
        }
        self.is_restart = true;
        if ran > max {
            self.quick_failures = 0;
        }
        let wait = if self.quick_failures == 0 { Duration::ZERO } else { self.backoff(first, max) };
        self.quick_failures += 1;
        if wait.is_zero() {
            self.state = State::Terminated(ended);
        } else {
            let message = format!("back-off {}s restarting failed container={}", wait.as_secs(), self.name);
            self.state = State::Waiting { reason: "CrashLoopBackOff", message };
            self.last = Some(ended);
        }
        Some(wait)
    }

    /// Records that it could not even be started, and returns how long to wait before the next try.
    pub(super) fn fail_to_start(
        &mut self,
        reason: &'static str,
        message: String,
        backoff: (Duration, Duration),
    ) -> Duration {
        self.quick_failures += 1;
        self.state = State::Waiting { reason, message };
        self.backoff(backoff.0, backoff.1)
    }

    fn backoff(&self, first: Duration, max: Duration) -> Duration {
        let doublings = self.quick_failures.saturating_sub(1).min(16);
        first.saturating_mul(1 << doublings).min(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

    fn ended_after(seconds: i64, code: i32) -> Ended {
        Ended {
            id: "c1".to_owned(),
            code,
            reason: "Error",
            message: String::new(),
            started_at: Timestamp::from_second(0).unwrap(),
            finished_at: Timestamp::from_second(seconds).unwrap(),
        }
    }

    #[test]
    fn a_container_that_keeps_ending_soon_waits_longer_each_time_up_to_a_limit() {
        let mut container = Container::new("app", "orders:1");
        let waits: Vec<u64> = (0..6)
            .map(|_| container.end(ended_after(1, 1), RestartPolicy::Always, BACKOFF).unwrap().as_secs())
            .collect();
        assert_eq!(waits, [0, 1, 2, 4, 5, 5]);
        assert!(matches!(container.state, State::Waiting { reason: "CrashLoopBackOff", .. }));
        let after_a_long_run = container.end(ended_after(60, 1), RestartPolicy::Always, BACKOFF);
        assert_eq!(after_a_long_run, Some(Duration::ZERO));
    }

    #[test]
    fn the_restart_policy_decides_whether_an_end_is_the_end() {
        for (policy, code, restarts) in [
            ("Always", 0, true),
            ("OnFailure", 0, false),
            ("OnFailure", 1, true),
            ("Never", 0, false),
            ("Never", 137, false),
        ] {
            let mut container = Container::new("app", "orders:1");
            let policy_read = RestartPolicy::read(Some(policy));
            let wait = container.end(ended_after(1, code), policy_read, BACKOFF);
            assert_eq!(wait.is_some(), restarts, "{policy} {code}");
        }
    }
}
