use std::time::Duration;

/// How soon the operator asks, or looks, once more where nothing else has woken it.
///
/// How long it waits before it gives something up is no part of this: that is a rule, and stands where it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// How long to wait before looking again when something did not work.
    pub retry: Duration,
    /// How long a migration is left alone when nothing is known to be due: watches and replies wake it earlier.
    pub idle: Duration,
    /// How soon to look again when something that is needed could not be looked at.
    pub blind: Duration,
    /// How soon everything is looked at again while something is missing; each time as long after as it has waited already.
    pub look_again: Duration,
    /// How long after the last time that is at most.
    pub look_again_later: Duration,
    /// A busy source may need a moment for its answer to `PROBE`; to ask twice changes nothing.
    pub probe_again: Duration,
    /// The marker waits in `Q` behind everything the source has yet to do; asked again only to survive a lost one.
    pub sync_again: Duration,
    /// A connection that was just being accepted fails a checkpoint; the next moment it is established. Twice as long after
    /// each that failed.
    pub checkpoint_again: Duration,
    /// How long `START_REPLAY` may stay unanswered before it is said again.
    pub start_again: Duration,
    /// How long `STOP` may stay unanswered before it is said again.
    pub stop_again: Duration,
    /// How soon the broker is asked again whether a source that says nothing still consumes.
    pub consumes_again: Duration,
    /// How long an `END` may stay unanswered before it is said again.
    pub end_again: Duration,
    /// How long `TAKE_OVER` may stay unanswered before it is said again.
    pub take_over_again: Duration,
    /// How long `RESUME` may stay unanswered before it is said again.
    pub resume_again: Duration,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            retry: Duration::from_secs(1),
            idle: Duration::from_secs(30),
            blind: Duration::from_secs(1),
            look_again: Duration::from_millis(250),
            look_again_later: Duration::from_secs(2),
            probe_again: Duration::from_secs(3),
            sync_again: Duration::from_secs(10),
            checkpoint_again: Duration::from_millis(250),
            start_again: Duration::from_secs(3),
            stop_again: Duration::from_secs(3),
            consumes_again: Duration::from_millis(500),
            end_again: Duration::from_secs(5),
            take_over_again: Duration::from_secs(3),
            resume_again: Duration::from_secs(3),
        }
    }
}

/// None is shorter, however it is scaled: times in a status are to the millisecond, and no interval at all would be a loop
/// that never rests.
const SHORTEST: Duration = Duration::from_millis(1);

impl Intervals {
    /// The usual ones, each so many percent as long.
    ///
    /// But for [`idle`](Self::idle), which becomes shorter and never longer: whoever looks whether the operator still does
    /// anything has to wait for longer than that.
    #[must_use]
    pub fn scaled(percent: u32) -> Self {
        let usual = Self::default();
        let scale = |interval: Duration| (interval.saturating_mul(percent) / 100).max(SHORTEST);
        Self {
            retry: scale(usual.retry),
            idle: scale(usual.idle).min(usual.idle),
            blind: scale(usual.blind),
            look_again: scale(usual.look_again),
            look_again_later: scale(usual.look_again_later),
            probe_again: scale(usual.probe_again),
            sync_again: scale(usual.sync_again),
            checkpoint_again: scale(usual.checkpoint_again),
            start_again: scale(usual.start_again),
            stop_again: scale(usual.stop_again),
            consumes_again: scale(usual.consumes_again),
            end_again: scale(usual.end_again),
            take_over_again: scale(usual.take_over_again),
            resume_again: scale(usual.resume_again),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of them; `idle` is the last.
    fn all(of: &Intervals) -> [Duration; 14] {
        let Intervals {
            retry,
            idle,
            blind,
            look_again,
            look_again_later,
            probe_again,
            sync_again,
            checkpoint_again,
            start_again,
            stop_again,
            consumes_again,
            end_again,
            take_over_again,
            resume_again,
        } = *of;
        [
            retry,
            blind,
            look_again,
            look_again_later,
            probe_again,
            sync_again,
            checkpoint_again,
            start_again,
            stop_again,
            consumes_again,
            end_again,
            take_over_again,
            resume_again,
            idle,
        ]
    }

    #[test]
    fn all_of_a_hundred_percent_are_the_usual_ones() {
        assert_eq!(Intervals::scaled(100), Intervals::default());
    }

    #[test]
    fn more_percent_make_none_of_them_shorter_and_all_but_idle_longer() {
        let percents = [0, 1, 25, 50, 99, 100, 101, 200, 300, 10_000, u32::MAX];
        for (less, more) in percents.into_iter().zip(percents.into_iter().skip(1)) {
            let pairs = all(&Intervals::scaled(less)).into_iter().zip(all(&Intervals::scaled(more)));
            for (short, long) in pairs {
                assert!(Duration::ZERO < short && short <= long, "{short:?} {long:?} of {less} and {more}");
            }
        }
        let usual = all(&Intervals::default());
        for (slow, usual) in all(&Intervals::scaled(300)).into_iter().zip(usual).take(13) {
            assert_eq!(slow, usual * 3);
        }
        for (quick, usual) in all(&Intervals::scaled(25)).into_iter().zip(usual) {
            assert_eq!(quick, usual / 4);
        }
    }

    #[test]
    fn nobody_has_to_wait_for_longer_to_see_that_the_operator_rests() {
        assert_eq!(Intervals::scaled(300).idle, Intervals::default().idle);
        assert_eq!(Intervals::scaled(u32::MAX).idle, Intervals::default().idle);
    }
}
