//! What the target lacks, and what comes of it.

use jiff::{SignedDuration, ToSpan as _};
use ms2m_app::{
    Ledger,
    contract::{MissingMessages, Reply, ReplyBody},
};

use super::{
    script::{Script, decide_as_usual, spec},
    world::{MIGRATION, World},
};
use crate::{
    api::{
        ConditionStatus, HandoverStatus, Phase, Span, StatefulMigrationStatus, TargetStatus, condition,
        reason,
    },
    protocol::{Observation, PendingReply},
};

const SHADOW: &str = "shadow-1";
const SESSION: &str = "session-1";

fn said(body: ReplyBody) -> PendingReply {
    let reply = Reply { version: 1, migration: MIGRATION.into(), epoch: 7, pod_uid: SHADOW.into(), body };
    PendingReply { id: 1, reply: Some(reply) }
}

/// What is known of a gap when these replies are heard in one turn of the handover.
fn after(replies: Vec<ReplyBody>) -> (bool, Option<jiff::Timestamp>) {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let status = StatefulMigrationStatus {
        phase: Phase::SwitchingOver,
        epoch: Some(7),
        target: Some(TargetStatus {
            uid: Some(SHADOW.into()),
            session: Some(SESSION.into()),
            replay_started: true,
            ..Default::default()
        }),
        handover: Some(HandoverStatus {
            stopped_at: Some(now),
            stopped: Some(Ledger::default()),
            round_session: Some(SESSION.into()),
            round: 1,
            end_sent_at: Some(now),
            ..Default::default()
        }),
        ..Default::default()
    };
    let seen = Observation { replies: replies.into_iter().map(said).collect(), ..Default::default() };
    let spec = spec();
    let decided = decide_as_usual(MIGRATION, &spec, &status, &seen, now);
    let degraded = decided.status.conditions.iter().any(|known| {
        known.type_ == condition::DEGRADED
            && known.status == ConditionStatus::True
            && known.reason == reason::GAP
    });
    (degraded, decided.status.handover.unwrap_or_default().gap_at)
}

#[test]
fn a_gap_that_closes_in_the_turn_in_which_it_is_heard_is_not_told() {
    let missing = vec![MissingMessages { producer: "p".into(), first: 1, last: 1 }];
    let gap = || ReplyBody::Gap { session: SESSION.into(), round: 1, missing: missing.clone() };
    let drained = || ReplyBody::Drained { session: SESSION.into(), round: 1, ledger: Ledger::default() };
    assert_eq!(after(vec![gap(), drained()]), (false, None));
    let (degraded, gap_at) = after(vec![gap()]);
    assert!(degraded && gap_at.is_some(), "one that stays open is told");
}

#[test]
fn a_target_that_says_drained_and_lacks_messages_is_not_believed() {
    let mut script = Script::new(World::new());
    script.run(None, |_, script| {
        if let Some(shadow) = &mut script.world.shadow {
            (shadow.lacks, shadow.is_hasty) = (true, true);
        }
    });
    script.assert_rolled_back(reason::GAP);
}

#[test]
fn a_clock_that_goes_back_in_the_final_read_makes_it_wait_and_no_message_is_passed_over() {
    let mut script = Script::new(World::new());
    let mut went_back = None;
    script.run(None, |_, script| {
        let handover = script.status.handover.clone().unwrap_or_default();
        if let Some(shadow) = &mut script.world.shadow {
            shadow.lacks = handover.switched_at.is_some();
        }
        let reads = script.status.cleanup.as_ref().is_some_and(|cleanup| cleanup.final_round.is_some());
        if reads && handover.gap_at.is_some() && went_back.is_none() {
            went_back = Some(script.now);
            script.now = script.now.checked_sub(60.seconds()).unwrap();
        }
    });
    script.assert_completed();
    let outcome = script.status.outcome.as_ref().unwrap();
    assert!(
        outcome.message.contains("it lacks messages") && outcome.message.ends_with("p 1-1"),
        "{}",
        outcome.message
    );
    let waited = script.now.duration_since(went_back.expect("it came to the final read"));
    assert!(waited >= SignedDuration::from_secs(-30), "it gave up {waited:?} after the clock's old time");
}

/// A long `settle` is waited for before anything can be asked, so the time to read does not begin before it is over.
#[test]
fn the_final_read_has_its_time_after_a_long_settle() {
    let mut script = Script::new(World::new());
    script.spec.replay.settle = Span::from_secs(40);
    let mut unbound_at = None;
    script.run(None, |_, script| {
        let switched = script.status.handover.as_ref().is_some_and(|handover| handover.switched_at.is_some());
        if let Some(shadow) = &mut script.world.shadow {
            shadow.lacks = switched;
        }
        unbound_at = unbound_at.or(script.status.cleanup.as_ref().and_then(|cleanup| cleanup.unbound_at));
    });
    script.assert_completed();
    let waited = script.now.duration_since(unbound_at.expect("it was unbound"));
    assert!(waited >= SignedDuration::from_secs(70), "it was given {waited:?} with a settle of 40 s");
}
