use jiff::{Timestamp, ToSpan};
use ms2m_app::{
    Ledger,
    contract::{MessageId, Reply, ReplyBody},
};
use proptest::prelude::*;

use super::{
    script::{pushed, spec},
    world::MIGRATION,
};
use crate::{
    api::{Binding, StatefulMigrationStatus},
    protocol::{
        EffectFailure, EffectOutcome, EffectReport, Intervals, JobView, Migration, Observation, PendingReply,
        PodFacts, PodView, Preflight, QueueView, Rivalry, decide, table,
    },
};

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("nonce".to_owned()), Just(String::new())]
}

fn ledger() -> impl Strategy<Value = Ledger> {
    proptest::collection::vec(1u64..5, 0..4).prop_map(|seqs| {
        let mut ledger = Ledger::default();
        for seq in seqs {
            ledger.insert(&MessageId { producer: "p".into(), seq });
        }
        ledger
    })
}

fn pod() -> impl Strategy<Value = Option<PodView>> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let present =
        (word(), word(), flags).prop_map(|(uid, container_id, (running, ended, terminating, labelled))| {
            PodView::Present(PodFacts {
                uid,
                container_id,
                running,
                ended,
                terminating,
                labelled,
                ..Default::default()
            })
        });
    prop_oneof![Just(None), Just(Some(PodView::Absent)), present.prop_map(Some)]
}

fn job() -> impl Strategy<Value = Option<JobView>> {
    let report = pushed();
    prop_oneof![
        Just(None),
        Just(Some(JobView::Absent)),
        Just(Some(JobView::Running)),
        Just(Some(JobView::Terminating)),
        Just(Some(JobView::Succeeded { message: report })),
        word().prop_map(|message| Some(JobView::Succeeded { message })),
        word().prop_map(|message| Some(JobView::Failed { reason: "r".into(), message })),
    ]
}

fn queue() -> impl Strategy<Value = Option<QueueView>> {
    prop_oneof![
        Just(None),
        Just(Some(QueueView::Absent)),
        (0u32..3).prop_map(|consumers| Some(QueueView::Present { consumers })),
    ]
}

fn queue_name() -> impl Strategy<Value = Option<String>> {
    let own = Just(Some(spec().broker.queue));
    prop_oneof![3 => own, 1 => proptest::option::of(word())]
}

fn body() -> impl Strategy<Value = ReplyBody> {
    let round = 0u32..4;
    prop_oneof![
        (any::<u32>(), proptest::option::of(word()), any::<bool>(), queue_name(), any::<bool>()).prop_map(
            |(last_epoch, nonce, owner, queue, sequenced)| ReplyBody::Probed {
                last_epoch: last_epoch.into(),
                nonce,
                owner,
                queue,
                sequenced
            }
        ),
        (word(), ledger()).prop_map(|(nonce, ledger)| ReplyBody::Synced { nonce, ledger }),
        (word(), proptest::option::of(word()), ledger())
            .prop_map(|(session, nonce, ledger)| ReplyBody::Hello { session, nonce, ledger }),
        word().prop_map(|session| ReplyBody::ReplayStarted { session }),
        (word(), any::<u64>(), any::<u64>()).prop_map(|(session, read, held)| ReplyBody::Progress {
            session,
            read,
            applied: 0,
            skipped: 0,
            held
        }),
        (proptest::option::of(word()), ledger())
            .prop_map(|(nonce, ledger)| ReplyBody::Stopped { nonce, ledger }),
        proptest::option::of(word()).prop_map(|nonce| ReplyBody::Resumed { nonce }),
        (word(), round.clone(), ledger()).prop_map(|(session, round, ledger)| ReplyBody::Drained {
            session,
            round,
            ledger
        }),
        (word(), round).prop_map(|(session, round)| ReplyBody::Gap { session, round, missing: Vec::new() }),
        (word(), ledger()).prop_map(|(session, ledger)| ReplyBody::Switched { session, ledger }),
        (word(), word()).prop_map(|(reason, message)| ReplyBody::Error { reason, message }),
    ]
}

fn reply() -> impl Strategy<Value = PendingReply> {
    let parsed = (0u64..3, word(), body(), any::<bool>()).prop_map(|(epoch, pod_uid, body, ours)| Reply {
        version: 1,
        migration: if ours { MIGRATION.into() } else { "another".into() },
        epoch,
        pod_uid,
        body,
    });
    (any::<u64>(), proptest::option::weighted(0.9, parsed)).prop_map(|(id, reply)| PendingReply { id, reply })
}

fn observation() -> impl Strategy<Value = (Observation, i64, u8)> {
    let cluster = (pod(), pod(), job(), job(), queue(), queue());
    let rest = (proptest::collection::vec(reply(), 0..4), any::<bool>(), -1_000i64..200_000, any::<u8>());
    (cluster, rest).prop_map(
        |((source, shadow, transfer_job, cleanup_job, primary, replay), (replies, refuse, ms, outcomes))| {
            let seen = Observation {
                deletion_requested: ms % 17 == 0,
                fresh_nonce: "nonce".into(),
                preflight: Some(Preflight { container: "c".into(), ..Default::default() }),
                rivalry: match ms % 5 {
                    0 => None,
                    1 => Some(Rivalry::Waits("other".into())),
                    2 => Some(Rivalry::GivesWay("other".into())),
                    _ => Some(Rivalry::Alone),
                },
                source,
                shadow,
                transfer_job,
                cleanup_job,
                primary,
                replay,
                bindings: refuse.then(|| {
                    vec![Binding {
                        exchange: "x".into(),
                        routing_key: String::new(),
                        arguments: Default::default(),
                    }]
                }),
                replies,
                // Unknown now and then, and as often behind what was read as ahead of it.
                listening_since: (ms % 3 != 0).then_some(jiff::Timestamp::UNIX_EPOCH),
                unowned_since: (ms % 5 != 0).then_some(jiff::Timestamp::UNIX_EPOCH),
                replay_end: (ms % 4 != 0).then_some(ms.unsigned_abs() % 200),
                ..Default::default()
            };
            (seen, ms, outcomes)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing that is observed, however absurd, makes a phase move outside the table, passes the point of no return
    /// twice, leaves a reply unacked, or panics.
    #[test]
    fn no_sequence_of_observations_leaves_the_table(seen in proptest::collection::vec(observation(), 1..60)) {
        let (spec, intervals) = (spec(), Intervals::default());
        let mut status = StatefulMigrationStatus::default();
        let mut now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut effects = Vec::new();
        let mut passed = None;
        for (mut observation, ms, outcomes) in seen {
            observation.outcomes = effects
                .drain(..)
                .enumerate()
                .filter(|(index, _)| outcomes >> (index % 8) & 1 == 1)
                .map(|(index, effect)| EffectOutcome { effect, result: result(index, outcomes) })
                .collect();
            let migration = Migration { uid: MIGRATION, spec: &spec, status: &status, intervals: &intervals };
            let decision = decide(&migration, &observation, now);
            let acked: Vec<u64> = observation.replies.iter().map(|reply| reply.id).collect();
            prop_assert_eq!(&decision.ack, &acked);
            let mut from = status.phase;
            for transition in decision.status.phase_transitions.iter().skip(status.phase_transitions.len().max(1)) {
                prop_assert!(table::allows(from, transition.phase), "{:?} -> {:?}", from, transition.phase);
                from = transition.phase;
            }
            let point = decision.status.handover.as_ref().and_then(|handover| handover.point_of_no_return);
            prop_assert!(passed.is_none() || passed == point, "the point of no return moved");
            passed = point;
            prop_assert!(decision.status.phase.is_terminal() || decision.requeue_after.is_some());
            effects = decision.effects;
            status = decision.status;
            now = now.checked_add(ms.milliseconds()).unwrap();
        }
    }
}

fn result(index: usize, choice: u8) -> Result<EffectReport, EffectFailure> {
    match (index + usize::from(choice)) % 5 {
        0 => Err(EffectFailure { reason: "R", message: "no".into(), retryable: false, unheard: false }),
        1 => Err(EffectFailure { reason: "R", message: "later".into(), retryable: true, unheard: false }),
        2 => Ok(EffectReport::Archive { path: "/a".into() }),
        3 => Ok(EffectReport::Template { digest: "sha256:00".into() }),
        _ => Ok(EffectReport::Done),
    }
}
