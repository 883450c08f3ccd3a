use std::time::Duration;

use jiff::Timestamp;

use super::script::spec;
use crate::{
    api::{Phase, PhaseTransition, StatefulMigrationStatus, reason},
    protocol::{Finding, Migration, Observation, Preflight, decide},
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
