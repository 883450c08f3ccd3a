//! When to stop waiting for the target to catch up.
//!
//! Replay converges only when the target applies faster (μ) than messages arrive (λ): the lag changes by λ − μ per
//! second. The handover costs lag / μ and its own round trips, so the best moment is when that is small enough, and when
//! the lag does not shrink, waiting buys nothing. See Dinh-Tuan & Jiang 2025 (arXiv 2509.05794), whose static rule is a
//! special case.

use std::time::Duration;

use crate::api::{OnDeadline, ReplaySpec, ReplayStatus, Span};

/// How many measurements in a row make a trend.
const TREND_SAMPLES: u32 = 8;
/// What nobody applies anything during, besides the rest of the lag: `STOP`, `END_REPLAY` and `TAKE_OVER`, one after the
/// other.
const HANDOVER_ROUND_TRIPS: u64 = 3;

/// The cutoff rule's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cutoff {
    /// The target catches up: wait.
    Wait,
    /// Hand over; the sentence says why.
    HandOver(String),
    /// Roll back; the sentence says why.
    GiveUp(String),
}

/// Predicted pause, were the handover now: lag / μ, and the handover's round trips. None until μ is known.
pub fn predicted_pause(replay: &ReplayStatus) -> Option<Span> {
    let round_trips =
        replay.round_trip.map_or(0, |span| span.as_millis().saturating_mul(HANDOVER_ROUND_TRIPS));
    if replay.lag == 0 {
        return Some(Span::from_millis(round_trips));
    }
    let rate = replay.apply_rate.filter(|rate| *rate > 0.0)?;
    let ms = (replay.lag as f64 / rate).mul_add(1_000.0, round_trips as f64).ceil();
    // A prediction beyond a day says no more than "a day".
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a day of milliseconds"
    )]
    Some(Span::from_millis(ms.clamp(0.0, 86_400_000.0) as u64))
}

/// Decides from what was measured, `elapsed` after the replay began.
pub fn decide(spec: &ReplaySpec, replay: &ReplayStatus, elapsed: Duration) -> Cutoff {
    if replay.samples > 0
        && let Some(pause) = predicted_pause(replay)
    {
        if pause <= spec.max_pause {
            return Cutoff::HandOver(format!(
                "predicted pause {pause} is within maxPause {}",
                spec.max_pause
            ));
        }
        if replay.lag == 0 {
            let slow = "the commands of the handover alone take longer than maxPause";
            return Cutoff::HandOver(format!("nothing is left to catch up with; {slow} {}", spec.max_pause));
        }
    }
    let because = if elapsed >= spec.deadline.as_duration() {
        format!("the target has not caught up within {}; lag {}", spec.deadline, replay.lag)
    } else if replay.stalled >= TREND_SAMPLES {
        let apply = replay.apply_rate.unwrap_or_default();
        format!(
            "the lag of {} does not shrink: {:.1} messages/s arrive, {apply:.1} are applied",
            replay.lag, replay.arrival_rate
        )
    } else {
        return Cutoff::Wait;
    };
    match spec.on_deadline {
        OnDeadline::Cutoff => Cutoff::HandOver(because),
        OnDeadline::Rollback => Cutoff::GiveUp(because),
    }
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Messages in `R`.
    pub arrived: u64,
    /// Messages that the target has read of them.
    pub read: u64,
    /// Messages that it has applied; it skips what the checkpoint contains.
    pub applied: u64,
}

/// Records a measurement, `elapsed` after the last.
pub fn measure(replay: &mut ReplayStatus, sample: Sample, elapsed: Duration) {
    let Sample { arrived, read, applied } = sample;
    let seconds = elapsed.as_secs_f64();
    let lag = arrived.saturating_sub(read);
    if replay.samples > 0 && seconds > 0.0 {
        let arrivals = arrived.saturating_sub(replay.arrived) as f64 / seconds;
        replay.arrival_rate = smooth((replay.samples > 1).then_some(replay.arrival_rate), arrivals);
        // A target that has nothing to read shows the arrival rate, not what it could do; and to skip is no work: what
        // is left at the handover was not in the checkpoint.
        let newly_applied = applied.saturating_sub(replay.applied);
        if replay.lag > 0 && newly_applied > 0 {
            replay.apply_rate = Some(smooth(replay.apply_rate, newly_applied as f64 / seconds));
        }
        replay.stalled = if lag > 0 && lag >= replay.lag { replay.stalled + 1 } else { 0 };
    }
    replay.samples = replay.samples.saturating_add(1);
    replay.arrived = arrived;
    replay.read = read;
    replay.applied = applied;
    replay.lag = lag;
    replay.eta = predicted_pause(replay);
}

/// Exponential smoothing that follows a change within about three measurements.
fn smooth(old: Option<f64>, new: f64) -> f64 {
    let value = old.map_or(new, |old| 0.5f64.mul_add(old, 0.5 * new));
    // One decimal is what a reader wants, and what survives a round trip through JSON.
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(lag: u64, lambda: f64, mu: Option<f64>, stalled: u32) -> ReplayStatus {
        ReplayStatus { lag, arrival_rate: lambda, apply_rate: mu, samples: 9, stalled, ..Default::default() }
    }

    fn spec(on_deadline: OnDeadline) -> ReplaySpec {
        ReplaySpec { on_deadline, ..Default::default() }
    }

    #[test]
    fn hands_over_as_soon_as_the_predicted_pause_is_short_enough() {
        let spec = spec(OnDeadline::Rollback);
        let soon = Duration::from_secs(1);
        assert_eq!(decide(&spec, &replay(101, 10.0, Some(100.0), 0), soon), Cutoff::Wait);
        assert!(matches!(decide(&spec, &replay(100, 10.0, Some(100.0), 0), soon), Cutoff::HandOver(_)));
        assert!(matches!(decide(&spec, &replay(0, 10.0, None, 0), soon), Cutoff::HandOver(_)));
    }

    #[test]
    fn the_handovers_own_round_trips_are_part_of_the_pause() {
        let spec = spec(OnDeadline::Rollback);
        let far = |lag, ms| ReplayStatus {
            round_trip: Some(Span::from_millis(ms)),
            ..replay(lag, 10.0, Some(100.0), 0)
        };
        let soon = Duration::from_secs(1);
        assert_eq!(predicted_pause(&far(70, 100)), Some(Span::from_millis(1_000)));
        assert!(matches!(decide(&spec, &far(70, 100), soon), Cutoff::HandOver(_)));
        assert_eq!(decide(&spec, &far(71, 100), soon), Cutoff::Wait);
        // No waiting makes the round trips shorter.
        assert_eq!(decide(&spec, &far(1, 400), soon), Cutoff::Wait);
        assert!(matches!(decide(&spec, &far(0, 400), soon), Cutoff::HandOver(_)));
    }

    #[test]
    fn waits_while_nothing_was_measured() {
        let unmeasured = ReplayStatus::default();
        assert_eq!(decide(&spec(OnDeadline::Cutoff), &unmeasured, Duration::from_secs(1)), Cutoff::Wait);
    }

    #[test]
    fn obeys_on_deadline_at_the_deadline() {
        let late = Duration::from_mins(2);
        let behind = replay(5_000, 90.0, Some(100.0), 0);
        assert!(matches!(decide(&spec(OnDeadline::Cutoff), &behind, late), Cutoff::HandOver(_)));
        assert!(matches!(decide(&spec(OnDeadline::Rollback), &behind, late), Cutoff::GiveUp(_)));
    }

    #[test]
    fn does_not_wait_for_a_lag_that_does_not_shrink() {
        let soon = Duration::from_secs(3);
        let hopeless = replay(5_000, 110.0, Some(100.0), TREND_SAMPLES);
        assert!(matches!(decide(&spec(OnDeadline::Cutoff), &hopeless, soon), Cutoff::HandOver(_)));
        assert!(matches!(decide(&spec(OnDeadline::Rollback), &hopeless, soon), Cutoff::GiveUp(_)));
        let undecided = replay(5_000, 110.0, Some(100.0), TREND_SAMPLES - 1);
        assert_eq!(decide(&spec(OnDeadline::Rollback), &undecided, soon), Cutoff::Wait);
    }

    #[test]
    fn measures_both_rates_and_the_trend() {
        let mut replay = ReplayStatus::default();
        let second = Duration::from_secs(1);
        let at = |arrived, read| Sample { arrived, read, applied: read };
        measure(&mut replay, at(100, 0), second);
        measure(&mut replay, at(110, 50), second);
        assert_eq!(
            (replay.lag, replay.arrival_rate, replay.apply_rate, replay.stalled),
            (60, 10.0, Some(50.0), 0)
        );
        measure(&mut replay, at(220, 100), second);
        assert_eq!((replay.lag, replay.arrival_rate, replay.stalled), (120, 60.0, 1));
        assert_eq!(replay.eta, Some(Span::from_millis(2_400)));
    }

    #[test]
    fn skipping_what_the_checkpoint_contains_is_no_measure_of_applying() {
        let mut replay = ReplayStatus::default();
        let second = Duration::from_secs(1);
        measure(&mut replay, Sample { arrived: 900, read: 0, applied: 0 }, second);
        measure(&mut replay, Sample { arrived: 900, read: 400, applied: 0 }, second);
        assert_eq!((replay.lag, replay.apply_rate, replay.eta), (500, None, None));
        assert_eq!(decide(&spec(OnDeadline::Cutoff), &replay, second), Cutoff::Wait);
        measure(&mut replay, Sample { arrived: 900, read: 500, applied: 100 }, second);
        assert_eq!((replay.lag, replay.apply_rate), (400, Some(100.0)));
    }
}
