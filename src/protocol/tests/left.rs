//! What a clean-up that failed says is left, for a person to remove.

use jiff::{Timestamp, ToSpan as _};

use super::{
    script::{decide_as_usual, spec},
    world::{MIGRATION, SOURCE},
};
use crate::{
    api::{
        CheckpointStatus, CleanupProgress, HandoverStatus, Phase, PhaseTransition, SourceStatus,
        StatefulMigrationSpec, StatefulMigrationStatus,
    },
    protocol::{Effect, EffectFailure, EffectOutcome, JobView, Observation, names},
};

/// Everything else is undone.
fn rolling_back(archive: Option<&str>, now: Timestamp) -> StatefulMigrationStatus {
    let source = SourceStatus {
        uid: SOURCE.into(),
        container_id: "c1".into(),
        node: "n1".into(),
        ..Default::default()
    };
    let archive = archive.map(str::to_owned);
    StatefulMigrationStatus {
        phase: Phase::RollingBack,
        phase_transitions: vec![PhaseTransition { phase: Phase::RollingBack, at: now }],
        source: Some(source),
        checkpoint: Some(CheckpointStatus { archive, ..Default::default() }),
        cleanup: Some(CleanupProgress { shadow_gone: true, job_gone: true, ..Default::default() }),
        ..Default::default()
    }
}

/// What is said after a clean-up that failed on the way back.
fn left_by_a_roll_back(archive: Option<&str>) -> String {
    let now = "2026-01-01T00:01:00Z".parse::<Timestamp>().unwrap();
    let status = rolling_back(archive, now);
    let failed = JobView::Failed { reason: "RegistryUnavailable".into(), message: "503".into() };
    let seen = Observation { cleanup_job: Some(failed), ..Default::default() };
    let decision = decide_as_usual(MIGRATION, &spec(), &status, &seen, now);
    decision.status.cleanup.unwrap().checkpoint_left.expect("it is left")
}

/// A push whose answer was lost leaves an image of unknown digest, which holds the process's memory.
#[test]
fn an_image_that_may_be_left_is_named_by_its_tag() {
    let tagged = format!("{}:{}", spec().transfer.repository, names::image_tag(MIGRATION));
    for (archive, named) in [(Some("/checkpoints/a.tar"), true), (None, false)] {
        let left = left_by_a_roll_back(archive);
        assert_eq!(left.contains(&tagged), named, "{left}");
    }
}

/// Of an archive whose answer was lost nobody knows the name, but everybody knows whose it is.
#[test]
fn archives_that_may_be_left_are_named_by_their_container() {
    let known = "/checkpoints/a.tar";
    for archive in [None, Some(known)] {
        let left = left_by_a_roll_back(archive);
        assert!(left.contains("the checkpoint archives of container c1 on node n1"), "{left}");
        assert_eq!(left.contains(known), archive.is_some(), "{left}");
    }
}

/// What is kept by policy is not among what somebody has to remove.
#[test]
fn an_image_that_is_kept_is_not_named_as_left() {
    let now = "2026-01-01T00:01:00Z".parse::<Timestamp>().unwrap();
    let image = "registry:5000/checkpoints@sha256:00".to_owned();
    let archive = "/checkpoints/a.tar".to_owned();
    let status = StatefulMigrationStatus {
        phase: Phase::SwitchingOver,
        phase_transitions: vec![PhaseTransition { phase: Phase::SwitchingOver, at: now }],
        source: Some(SourceStatus { uid: SOURCE.into(), ..Default::default() }),
        checkpoint: Some(CheckpointStatus {
            archive: Some(archive.clone()),
            image: Some(image.clone()),
            ..Default::default()
        }),
        handover: Some(HandoverStatus {
            point_of_no_return: Some(now),
            switched_at: Some(now),
            ..Default::default()
        }),
        cleanup: Some(CleanupProgress {
            routed: true,
            source_gone: true,
            unbound_at: Some(now),
            drained: true,
            replay_deleted: true,
            job_gone: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    for retain_checkpoint in [false, true] {
        let spec = StatefulMigrationSpec { retain_checkpoint, ..spec() };
        let failed = JobView::Failed { reason: "DeadlineExceeded".into(), message: "no node".into() };
        let seen = Observation { cleanup_job: Some(failed), ..Default::default() };
        let decision = decide_as_usual(MIGRATION, &spec, &status, &seen, now);
        let left = decision.status.cleanup.unwrap().checkpoint_left.expect("it is left");
        assert!(left.contains(&archive), "{left}");
        assert_eq!(left.contains(&image), !retain_checkpoint, "{left}");
    }
}

/// A policy that forbids what the Job mounts forbids it for ever: then a person has to do it, and the workload goes on.
#[test]
fn archives_of_a_clean_up_that_is_refused_are_left_and_said() {
    let began = "2026-01-01T00:01:00Z".parse::<Timestamp>().unwrap();
    let mut status = rolling_back(None, began);
    let create =
        Effect::CreateCleanupJob { node: "n1".into(), container_id: "c1".into(), image: None, by_tag: false };
    let left = |status: &StatefulMigrationStatus| status.cleanup.clone().unwrap().checkpoint_left;
    let refusal = |retryable| EffectFailure {
        reason: "R",
        message: "no hostPath here".into(),
        retryable,
        unheard: false,
    };
    for (seconds, retryable, is_left) in
        [(0, false, false), (60, true, false), (119, false, false), (120, false, true)]
    {
        let outcomes = vec![EffectOutcome { effect: create.clone(), result: Err(refusal(retryable)) }];
        let seen = Observation { outcomes, cleanup_job: Some(JobView::Absent), ..Default::default() };
        let now = began.checked_add(seconds.seconds()).unwrap();
        let decision = decide_as_usual(MIGRATION, &spec(), &status, &seen, now);
        status = decision.status;
        assert_eq!(left(&status).is_some(), is_left, "after {seconds} s");
    }
    let said = left(&status).unwrap();
    assert!(said.contains("no hostPath here") && said.contains("container c1 on node n1"), "{said}");
    assert!(status.cleanup.unwrap().cleanup_job_gone, "nothing is waited for any more");
}
