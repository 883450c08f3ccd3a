use std::time::Duration;

use jiff::Timestamp;

use super::script::spec;
use crate::{
    api::{Phase, PhaseTransition, StatefulMigrationStatus, reason},
    protocol::{Effect, Finding, Migration, Observation, Preflight, decide},
};

/// When a migration that cannot begin yet is looked at again, by the milliseconds that it has waited.
fn looks_again_after(waited_ms: i64) -> Duration {
    let status = StatefulMigrationStatus {
        phase_transitions: vec![PhaseTransition { phase: Phase::Pending, at: Timestamp::UNIX_EPOCH }],
        ..Default::default()
    };
    let missing = Finding { reason: reason::SOURCE_NOT_FOUND, message: "there is no pod".to_owned() };
    let preflight = Preflight { findings: vec![missing], ..Default::default() };
    let seen = Observation { preflight: Some(preflight), ..Default::default() };
    let now = Timestamp::from_millisecond(waited_ms).expect("a timestamp");
    let decision = decide(&Migration { uid: "m", spec: &spec(), status: &status }, &seen, now);
    decision.requeue_after.expect("it is looked at again")
}

#[test]
fn what_is_missing_is_looked_for_often_at_first_and_more_rarely_later() {
    assert_eq!(looks_again_after(0), Duration::from_millis(250));
    assert_eq!(looks_again_after(1_000), Duration::from_secs(1));
    assert_eq!(looks_again_after(20_000), Duration::from_secs(2));
}

#[test]
fn a_finalizer_that_could_not_be_removed_is_removed_later() {
    let status = StatefulMigrationStatus { phase: Phase::Completed, ..Default::default() };
    let seen = Observation { deletion_requested: true, ..Default::default() };
    let decision =
        decide(&Migration { uid: "m", spec: &spec(), status: &status }, &seen, Timestamp::UNIX_EPOCH);
    assert_eq!(decision.effects, [Effect::RemoveFinalizer]);
    assert!(decision.requeue_after.is_some_and(|wait| wait <= Duration::from_secs(5)));

    let seen = Observation::default();
    let decision =
        decide(&Migration { uid: "m", spec: &spec(), status: &status }, &seen, Timestamp::UNIX_EPOCH);
    assert_eq!(
        (decision.effects.len(), decision.requeue_after),
        (0, None),
        "what nobody deletes is left in peace"
    );
}
