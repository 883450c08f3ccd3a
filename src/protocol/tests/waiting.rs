use std::time::Duration;

use jiff::Timestamp;

use super::script::{decide_as_usual, spec};
use crate::{
    api::{Phase, PhaseTransition, SourceStatus, StatefulMigrationStatus, TargetStatus, reason},
    protocol::{
        Effect, EffectFailure, EffectOutcome, Finding, JobView, Observation, PodFacts, PodView, Preflight,
    },
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
    let decision = decide_as_usual("m", &spec(), &status, &seen, now);
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
    let decision = decide_as_usual("m", &spec(), &status, &seen, Timestamp::UNIX_EPOCH);
    assert_eq!(decision.effects, [Effect::RemoveFinalizer]);
    assert!(decision.requeue_after.is_some_and(|wait| wait <= Duration::from_secs(5)));

    let seen = Observation::default();
    let decision = decide_as_usual("m", &spec(), &status, &seen, Timestamp::UNIX_EPOCH);
    assert_eq!(
        (decision.effects.len(), decision.requeue_after),
        (0, None),
        "what nobody deletes is left in peace"
    );
}

/// The operator that asked for a checkpoint is gone, and its successor's attempt fails while the first one is being written.
#[test]
fn a_checkpoint_that_nobody_heard_of_is_waited_for_before_the_archives_are_deleted() {
    let begun = Timestamp::UNIX_EPOCH;
    let after = |seconds: i64| begun + jiff::SignedDuration::from_secs(seconds);
    let (spec, source) = (spec(), PodFacts { uid: "s".into(), running: true, ..Default::default() });
    let mut status = StatefulMigrationStatus {
        phase: Phase::Checkpointing,
        phase_transitions: vec![PhaseTransition { phase: Phase::Checkpointing, at: begun }],
        source: Some(SourceStatus { uid: "s".into(), node: "n".into(), ..Default::default() }),
        ..Default::default()
    };
    let mut turn = |seconds: i64, heard: Option<EffectFailure>| {
        let asked = Effect::Checkpoint { node: "n".into(), pod: String::new(), container: String::new() };
        let outcome = |failure| EffectOutcome { effect: asked.clone(), result: Err(failure) };
        let seen = Observation {
            source: Some(PodView::Present(source.clone())),
            shadow: Some(PodView::Absent),
            cleanup_job: Some(JobView::Absent),
            transfer_job: Some(JobView::Absent),
            outcomes: heard.map(outcome).into_iter().collect(),
            ..Default::default()
        };
        let decided = decide_as_usual("m", &spec, &status, &seen, after(seconds));
        status = decided.status;
        // What undoing does before that is none of this test's matter.
        let cleanup = status.cleanup.get_or_insert_default();
        (cleanup.replay_deleted, cleanup.resumed) = (true, true);
        cleanup.unbound_at = Some(after(seconds));
        decided.effects
    };
    let refused = EffectFailure {
        reason: reason::CHECKPOINT_UNSUPPORTED,
        message: "another checkpoint is in progress".into(),
        retryable: false,
        unheard: false,
    };
    let asks = |effects: &[Effect]| matches!(effects, [Effect::Checkpoint { .. }]);
    assert!(asks(&turn(0, None)));
    assert!(asks(&turn(7, None)), "nobody has heard anything");
    turn(8, Some(refused));
    let cleans = |effects: &[Effect]| effects.iter().any(|it| matches!(it, Effect::CreateCleanupJob { .. }));
    // The kubelet is given the three minutes of the deadline, from the first of the two.
    assert!(!cleans(&turn(184, None)));
    assert!(cleans(&turn(185, None)));
}

#[test]
fn a_deadline_that_passes_while_a_shadow_cannot_start_says_what_keeps_it() {
    let begun = Timestamp::UNIX_EPOCH;
    let spec = spec();
    let runs = PodFacts { uid: "s".into(), running: true, ..Default::default() };
    let status = StatefulMigrationStatus {
        phase: Phase::Restoring,
        phase_transitions: vec![PhaseTransition { phase: Phase::Restoring, at: begun }],
        source: Some(SourceStatus { uid: "s".into(), ..Default::default() }),
        target: Some(TargetStatus { uid: Some("t".into()), incarnations: 1, ..Default::default() }),
        ..Default::default()
    };
    let message = |trouble: &str, seconds: i64| {
        let shadow = PodFacts { uid: "t".into(), trouble: trouble.into(), ..Default::default() };
        let seen = Observation {
            source: Some(PodView::Present(runs.clone())),
            shadow: Some(PodView::Present(shadow)),
            ..Default::default()
        };
        let now = begun + jiff::SignedDuration::from_secs(seconds);
        let decided = decide_as_usual("m", &spec, &status, &seen, now);
        decided.status.abort.map(|abort| abort.message)
    };
    let took = "Restoring took longer than 180s".to_owned();
    assert_eq!(message("ErrImagePull: no such host", 179), None);
    assert_eq!(message("", 180), Some(took.clone()));
    let why = "; the shadow pod says: ErrImagePull: no such host";
    assert_eq!(message("ErrImagePull: no such host", 180), Some(took + why));
}
