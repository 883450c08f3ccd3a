use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(3);

/// Waits twice as long after each failure, but never long: somebody's pause may depend on it.
///
/// Without jitter: there is one operator, and a run in the simulator must be the same twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    failures: u32,
}

/// How long to wait after that many failures in a row.
pub(super) fn after(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LAST)
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        Some(after(self.failures))
    }
}

impl kube::runtime::utils::Backoff for Patience {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::utils::Backoff as _;

    use super::*;

    #[test]
    fn waits_longer_up_to_a_limit_and_starts_anew_after_a_success() {
        let mut patience = Patience::default();
        let waits: Vec<u128> = patience.by_ref().take(6).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 3_000, 3_000]);
        patience.reset();
        assert_eq!(patience.next(), Some(FIRST));
        assert_eq!(after(u32::MAX), LAST);
    }
}
