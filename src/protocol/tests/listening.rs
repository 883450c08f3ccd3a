//! An operator that was away has not heard who answered meanwhile: what seems silence is none yet.

use std::time::Duration;

use jiff::{Timestamp, ToSpan};

use super::{
    script::{decide_as_usual, spec},
    world::{MIGRATION, SOURCE},
};
use crate::{
    api::{
        Abort, CheckpointStatus, HandoverStatus, Phase, PhaseTransition, SourceStatus,
        StatefulMigrationStatus, TargetStatus, reason,
    },
    protocol::{Decision, Observation, PodFacts, PodView, QueueView},
};

const BEGUN: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: i64) -> Timestamp {
    BEGUN + seconds.seconds()
}

/// A migration whose source runs, and was asked for something at `BEGUN`, which this says.
fn asked(phase: Phase, of: StatefulMigrationStatus) -> StatefulMigrationStatus {
    StatefulMigrationStatus {
        phase,
        phase_transitions: vec![PhaseTransition { phase, at: BEGUN }],
        epoch: Some(1),
        nonce: Some("n".into()),
        source: Some(SourceStatus { uid: SOURCE.into(), container_id: "c".into(), ..Default::default() }),
        ..of
    }
}

/// What is decided 35 s later, while nobody consumes and nothing has been heard since.
fn decided(status: &StatefulMigrationStatus, listening_since: Option<Timestamp>) -> Decision {
    decided_where(status, listening_since, Some(BEGUN))
}

/// The same, where the queue is known to have had no consumer only since then.
fn decided_where(
    status: &StatefulMigrationStatus,
    listening_since: Option<Timestamp>,
    unowned_since: Option<Timestamp>,
) -> Decision {
    let runs = |uid: &str, container: &str| {
        PodView::Present(PodFacts {
            uid: uid.into(),
            container_id: container.into(),
            running: true,
            labelled: true,
            ..Default::default()
        })
    };
    let seen = Observation {
        source: Some(runs(SOURCE, "c")),
        shadow: Some(runs("t", "d")),
        primary: Some(QueueView::Present { consumers: 0 }),
        replay: Some(QueueView::Present { consumers: 1 }),
        listening_since,
        unowned_since,
        ..Default::default()
    };
    decide_as_usual(MIGRATION, &spec(), status, &seen, at(35))
}

/// A migration whose source was told to stop at `BEGUN`.
fn told_to_stop() -> StatefulMigrationStatus {
    let target = TargetStatus { uid: Some("t".into()), session: Some("s".into()), ..Default::default() };
    let handover =
        HandoverStatus { stop_first_sent_at: Some(BEGUN), stop_sent_at: Some(at(35)), ..Default::default() };
    let of = StatefulMigrationStatus { target: Some(target), handover: Some(handover), ..Default::default() };
    asked(Phase::SwitchingOver, of)
}

fn is_stopped(decision: &Decision) -> bool {
    decision.status.handover.as_ref().is_some_and(|handover| handover.stopped_at.is_some())
}

/// It worked on one message for all that time, and has its `STOPPED` on its way.
#[test]
fn a_source_that_has_just_left_its_queue_is_not_taken_for_silent() {
    let told = told_to_stop();
    let decided = |since| decided_where(&told, Some(BEGUN), since);
    assert!(!is_stopped(&decided(None)));
    assert!(!is_stopped(&decided(Some(at(35)))));
    assert!(!is_stopped(&decided(Some(at(31)))));
    assert!(is_stopped(&decided(Some(at(30)))));
    let next = decided(Some(at(34))).requeue_after;
    assert!(next.is_some_and(|wait| wait <= Duration::from_secs(4)), "{next:?}");
    assert!(decided(None).requeue_after.is_some());
}

#[test]
fn a_queue_is_unowned_from_the_first_of_the_looks_that_all_found_nobody() {
    let nobody = Some(&QueueView::Present { consumers: 0 });
    let since = QueueView::unowned_since;
    assert_eq!(since(nobody, None, at(3)), Some(at(3)));
    assert_eq!(since(nobody, Some(at(3)), at(7)), Some(at(3)));
    assert_eq!(since(Some(&QueueView::Present { consumers: 1 }), Some(at(3)), at(7)), None);
    assert_eq!(since(Some(&QueueView::Absent), Some(at(3)), at(7)), None);
    assert_eq!(since(None, Some(at(3)), at(7)), None, "nobody could look");
}

#[test]
fn a_source_is_not_taken_for_stopped_because_nobody_heard_its_answer() {
    let told = told_to_stop();
    let stopped = |since| is_stopped(&decided(&told, since));
    assert!(!stopped(None));
    assert!(!stopped(Some(at(34))));
    assert!(!stopped(Some(at(16))));
    assert!(stopped(Some(at(15))));
    assert!(stopped(Some(at(-60))));
    let next = decided(&told, Some(at(34))).requeue_after;
    assert!(next.is_some_and(|wait| wait <= Duration::from_secs(19)), "{next:?}");
    assert!(decided(&told, None).requeue_after.is_some());
}

#[test]
fn a_source_is_not_left_behind_because_nobody_heard_its_proof() {
    let abort = Abort {
        reason: reason::RESTORE_FAILED.into(),
        message: String::new(),
        at: BEGUN,
        asked_at: Some(BEGUN),
        proven: false,
        refused: false,
        silent: false,
    };
    let checkpoint = CheckpointStatus {
        image: Some("i@sha256:0".into()),
        image_digest: Some("sha256:0".into()),
        ..Default::default()
    };
    let of =
        StatefulMigrationStatus { checkpoint: Some(checkpoint), abort: Some(abort), ..Default::default() };
    let told = asked(Phase::Restoring, of);
    let refused = |since| decided(&told, since).status.abort.is_some_and(|abort| abort.refused);
    assert!(!refused(None));
    assert!(!refused(Some(at(34))));
    assert!(!refused(Some(at(26))));
    assert!(refused(Some(at(25))));
    assert!(refused(Some(at(-60))));
}
