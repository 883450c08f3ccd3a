//! A ledger that is larger than what an object can hold.

use jiff::Timestamp;
use ms2m_app::{
    Ledger,
    contract::{CONTRACT_VERSION, MessageId, Reply, ReplyBody},
};

use super::script::{decide_as_usual, spec};
use crate::{
    api::{
        Abort, CheckpointStatus, HandoverStatus, MirrorStatus, Phase, PhaseTransition, SourceStatus,
        StatefulMigrationStatus, reason,
    },
    protocol::{Observation, PendingReply},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Of so many producers, each of 60 bytes or more.
fn ledger(producers: usize) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0..producers {
        ledger.insert(&MessageId { producer: format!("publisher-{number:020}"), seq: 1 });
    }
    ledger
}

fn status(phase: Phase) -> StatefulMigrationStatus {
    let source =
        SourceStatus { uid: "s".into(), template_digest: Some("sha256:00".into()), ..Default::default() };
    StatefulMigrationStatus {
        phase,
        phase_transitions: vec![PhaseTransition { phase, at: NOW }],
        source: Some(source),
        epoch: Some(1),
        nonce: Some("n".into()),
        mirror: Some(MirrorStatus { bound_at: Some(NOW), ..Default::default() }),
        ..Default::default()
    }
}

fn after(status: &StatefulMigrationStatus, body: ReplyBody) -> StatefulMigrationStatus {
    let reply =
        Reply { version: CONTRACT_VERSION, migration: "m".into(), epoch: 1, pod_uid: "s".into(), body };
    let replies = vec![PendingReply { id: 1, reply: Some(reply) }];
    let seen = Observation { replies, ..Observation::default() };
    decide_as_usual("m", &spec(), status, &seen, NOW).status
}

fn synced(ledger: Ledger) -> ReplyBody {
    ReplyBody::Synced { nonce: "n".into(), ledger }
}

fn stopped(ledger: Ledger) -> ReplyBody {
    ReplyBody::Stopped { nonce: Some("n".into()), ledger }
}

/// It could be written, and the next one could not: the source would be stopped by then.
#[test]
fn a_migration_of_more_producers_than_can_be_recorded_is_undone_before_the_checkpoint() {
    let small = after(&status(Phase::Mirroring), synced(ledger(1_000)));
    assert_eq!((small.phase, small.abort), (Phase::Checkpointing, None));
    let large = after(&status(Phase::Mirroring), synced(ledger(10_000)));
    let abort = large.abort.expect("it is undone");
    assert_eq!((large.phase, abort.reason.as_str()), (Phase::RollingBack, reason::LEDGER_TOO_LARGE));
    assert!(abort.message.contains("10000 producers"), "{}", abort.message);
    assert_eq!(large.mirror.unwrap().synced, None);
}

fn switching() -> StatefulMigrationStatus {
    StatefulMigrationStatus {
        checkpoint: Some(CheckpointStatus { image_digest: Some("sha256:00".into()), ..Default::default() }),
        handover: Some(HandoverStatus { stop_sent_at: Some(NOW), ..Default::default() }),
        ..status(Phase::SwitchingOver)
    }
}

#[test]
fn a_source_that_stops_with_more_than_can_be_recorded_is_asked_for_its_proof_and_goes_on() {
    let large = after(&switching(), stopped(ledger(20_000)));
    assert_eq!(large.abort.expect("it is undone").reason, reason::LEDGER_TOO_LARGE);
    assert_eq!(large.handover.unwrap().stopped_at, None);
    let small = after(&switching(), stopped(ledger(5_000)));
    let handover = small.handover.unwrap();
    assert_eq!((handover.stopped_at, handover.stopped.is_some()), (Some(NOW), true));
}

/// The source could not show its RAM, so there is no way back: what it has stopped with stays unknown, as where it is dead.
#[test]
fn without_a_way_back_a_source_has_stopped_also_with_more_than_can_be_recorded() {
    let refused = Abort {
        reason: reason::CANCELLED.into(),
        message: String::new(),
        at: NOW,
        asked_at: Some(NOW),
        proven: false,
        refused: true,
        silent: true,
    };
    let status = StatefulMigrationStatus { abort: Some(refused), ..switching() };
    let handover = after(&status, stopped(ledger(20_000))).handover.unwrap();
    assert_eq!((handover.stopped_at, handover.stopped), (Some(NOW), None));
}
