//! What is not answered is asked once more, and what is missing looked for: how soon is what the intervals say.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ms2m_app::contract::{CommandBody, Marker};

use super::{
    script::{Fault, Script, spec},
    world::World,
};
use crate::{
    api::{
        CheckpointStatus, CleanupProgress, HandoverStatus, MirrorStatus, Phase, PhaseTransition,
        SourceStatus, StatefulMigrationStatus, TargetStatus,
    },
    protocol::{
        Decision, Effect, Intervals, JobView, Migration, Observation, PodFacts, PodView, Preflight, decide,
    },
};

const BEGUN: Timestamp = Timestamp::UNIX_EPOCH;

/// What is asked, how soon again, and the status of a migration in which it was asked for when it had begun.
type Asked = (&'static str, fn(&Intervals) -> Duration, StatefulMigrationStatus);

fn status(phase: Phase) -> StatefulMigrationStatus {
    let (uid, session) = (Some("t".to_owned()), Some("x".to_owned()));
    StatefulMigrationStatus {
        phase,
        phase_transitions: vec![PhaseTransition { phase, at: BEGUN }],
        source: Some(SourceStatus { uid: "s".into(), probe_sent_at: Some(BEGUN), ..Default::default() }),
        target: Some(TargetStatus {
            uid,
            session,
            start_replay_sent_at: Some(BEGUN),
            replay_started: phase != Phase::Replaying,
            ..Default::default()
        }),
        mirror: Some(MirrorStatus { bound_at: Some(BEGUN), sync_sent_at: Some(BEGUN), ..Default::default() }),
        epoch: (phase != Phase::Pending).then_some(7),
        ..Default::default()
    }
}

fn handing_over(handover: HandoverStatus) -> StatefulMigrationStatus {
    StatefulMigrationStatus { handover: Some(handover), ..status(Phase::SwitchingOver) }
}

/// What is undone before the source is told to go on.
fn undone() -> CleanupProgress {
    CleanupProgress { shadow_gone: true, unbound_at: Some(BEGUN), replay_deleted: true, ..Default::default() }
}

fn everything_that_is_asked() -> Vec<Asked> {
    let checkpoint = CheckpointStatus { attempts: 1, last_attempt_at: Some(BEGUN), ..Default::default() };
    let stop =
        HandoverStatus { stop_first_sent_at: Some(BEGUN), stop_sent_at: Some(BEGUN), ..Default::default() };
    let end = HandoverStatus {
        stopped_at: Some(BEGUN),
        stopped: Some(Default::default()),
        round_session: Some("x".into()),
        end_sent_at: Some(BEGUN),
        ..Default::default()
    };
    let take_over = HandoverStatus {
        point_of_no_return: Some(BEGUN),
        drained_session: Some("x".into()),
        take_over_sent_at: Some(BEGUN),
        ..end.clone()
    };
    let resume = CleanupProgress { resume_sent_at: Some(BEGUN), ..undone() };
    let undoing = StatefulMigrationStatus {
        handover: Some(stop.clone()),
        cleanup: Some(resume),
        ..status(Phase::RollingBack)
    };
    let checkpointing =
        StatefulMigrationStatus { checkpoint: Some(checkpoint), ..status(Phase::Checkpointing) };
    vec![
        ("PROBE", |intervals| intervals.probe_again, status(Phase::Pending)),
        ("SYNC", |intervals| intervals.sync_again, status(Phase::Mirroring)),
        ("a checkpoint", |intervals| intervals.checkpoint_again, checkpointing),
        ("START_REPLAY", |intervals| intervals.start_again, status(Phase::Replaying)),
        ("STOP", |intervals| intervals.stop_again, handing_over(stop)),
        ("END", |intervals| intervals.end_again, handing_over(end)),
        ("TAKE_OVER", |intervals| intervals.take_over_again, handing_over(take_over)),
        ("RESUME", |intervals| intervals.resume_again, undoing),
    ]
}

fn asks(decision: &Decision, what: &str) -> bool {
    decision.effects.iter().any(|effect| {
        let word = match effect {
            Effect::Command { body, .. } => match body {
                CommandBody::Probe => "PROBE",
                CommandBody::StartReplay { .. } => "START_REPLAY",
                CommandBody::Stop => "STOP",
                CommandBody::TakeOver { .. } => "TAKE_OVER",
                CommandBody::Resume => "RESUME",
                CommandBody::EndReplay { .. } => "END_REPLAY",
            },
            Effect::PublishMarker { marker: Marker::Sync { .. }, .. } => "SYNC",
            Effect::PublishMarker { marker: Marker::End { .. }, .. } => "END",
            Effect::Checkpoint { .. } => "a checkpoint",
            _ => "something else",
        };
        word == what
    })
}

fn decided(
    intervals: &Intervals,
    status: &StatefulMigrationStatus,
    seen: &Observation,
    after: Duration,
) -> Decision {
    let now = BEGUN + SignedDuration::try_from(after).expect("a while");
    decide(&Migration { uid: "m", spec: &spec(), status, intervals }, seen, now)
}

/// Both pods run, and nobody says anything.
fn silence() -> Observation {
    let runs =
        |uid: &str| PodView::Present(PodFacts { uid: uid.into(), running: true, ..Default::default() });
    Observation { source: Some(runs("s")), shadow: Some(runs("t")), ..Default::default() }
}

#[test]
fn what_is_not_answered_is_asked_again_when_its_interval_has_passed_and_not_before() {
    let moment = Duration::from_millis(1);
    for percent in [25, 100, 300] {
        let intervals = Intervals::scaled(percent);
        for (what, interval, status) in everything_that_is_asked() {
            let after = interval(&intervals);
            assert_eq!(after, interval(&Intervals::default()) * percent / 100, "{what}");
            let early = decided(&intervals, &status, &silence(), after.saturating_sub(moment));
            assert!(!asks(&early, what), "{what} of {percent} %, a moment before {after:?}");
            assert!(early.requeue_after.is_some_and(|wait| wait <= moment), "{what}: {early:?}");
            let due = decided(&intervals, &status, &silence(), after);
            assert!(asks(&due, what), "{what} of {percent} %, after {after:?}: {:?}", due.effects);
        }
    }
}

#[test]
fn what_is_missing_is_looked_for_and_what_goes_is_waited_for_by_the_intervals() {
    let blocked = StatefulMigrationStatus { source: None, ..status(Phase::Pending) };
    let missing = Observation { preflight: Some(Preflight::default()), ..Default::default() };
    // Nothing that it waits for has a deadline.
    let undone = CleanupProgress { resumed: true, ..undone() };
    let archived = CheckpointStatus { archive: Some("/a".into()), ..Default::default() };
    let undoing = StatefulMigrationStatus {
        cleanup: Some(undone),
        checkpoint: Some(archived),
        ..status(Phase::RollingBack)
    };
    let goes = Observation { transfer_job: Some(JobView::Terminating), ..silence() };
    let unseen = Observation { transfer_job: None, ..silence() };
    for (percent, first_ms, later_ms, retry_ms, idle_ms) in
        [(25, 62, 500, 250, 7_500), (100, 250, 2_000, 1_000, 30_000), (300, 750, 6_000, 3_000, 30_000)]
    {
        let intervals = Intervals::scaled(percent);
        let waits = |status: &StatefulMigrationStatus, seen: &Observation, after_ms: u64| {
            let decision = decided(&intervals, status, seen, Duration::from_millis(after_ms));
            assert_eq!(decision.effects, [], "nothing is to be done");
            u64::try_from(decision.requeue_after.expect("it is looked at again").as_millis()).expect("soon")
        };
        assert_eq!(waits(&blocked, &missing, 0), first_ms, "{percent}");
        assert_eq!(waits(&blocked, &missing, 20_000), later_ms, "{percent}");
        assert_eq!(waits(&undoing, &unseen, 0), retry_ms, "{percent}");
        assert_eq!(waits(&undoing, &goes, 0), idle_ms, "{percent}");
    }
}

#[test]
fn a_migration_completes_with_other_intervals_whatever_is_lost() {
    for percent in [25, 300] {
        let script = || {
            let mut script = Script::new(World::new());
            script.intervals = Intervals::scaled(percent);
            script
        };
        let mut calm = script();
        calm.run(None, |_, _| {});
        calm.assert_completed();
        for at in 0..calm.effects_done {
            for fault in [Fault::LostBefore, Fault::LostAfter, Fault::LostAfterWrite] {
                let mut lost = script();
                lost.run(Some((at, fault)), |_, _| {});
                lost.assert_completed();
            }
        }
    }
}
