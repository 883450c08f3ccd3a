//! What the model has found, one test each.

use std::time::Duration;

use jiff::ToSpan as _;
use ms2m_app::contract::{CommandBody, Reply, ReplyBody};

use super::{
    script::{Fault, Script, decide_as_usual, spec},
    world::{MIGRATION, SOURCE, World},
};
use crate::{
    api::{
        Abort, CheckpointStatus, ConditionStatus, HandoverStatus, NUMBER_MAX, OnDeadline, Phase,
        PhaseTransition, SourceStatus, StatefulMigrationStatus, TargetStatus, condition, reason,
    },
    protocol::{
        Effect, EffectFailure, EffectOutcome, EffectReport, Observation, PodFacts, PodView, QueueView,
    },
};

fn world_at_epoch(epoch: u64) -> World {
    let mut world = World::new();
    world.source.as_mut().unwrap().epoch = epoch;
    world
}

#[test]
fn an_epoch_that_has_none_after_it_is_refused_with_a_reason() {
    for epoch in [u64::MAX, NUMBER_MAX] {
        let mut script = Script::new(world_at_epoch(epoch));
        script.run(None, |_, _| {});
        script.assert_rolled_back(reason::REPLY_IMPOSSIBLE);
        assert!(script.status.outcome.as_ref().unwrap().message.contains(&epoch.to_string()));
    }
}

#[test]
fn the_last_epoch_cannot_begin_again() {
    let mut script = Script::new(world_at_epoch(NUMBER_MAX - 1));
    let mut lost = false;
    script.run(None, |_, script| {
        if script.status.phase == Phase::Mirroring && script.world.replay.is_some() && !lost {
            lost = true;
            script.world.replay = None;
        }
    });
    assert!(lost);
    script.assert_rolled_back(reason::REPLAY_QUEUE_LOST);
}

#[test]
fn a_source_that_is_taken_for_stopped_is_not_told_to_stop_once_more() {
    let now = "2026-01-01T00:01:00Z".parse::<jiff::Timestamp>().unwrap();
    let ago = |seconds: i64| Some(now.checked_sub(seconds.seconds()).unwrap());
    let status = StatefulMigrationStatus {
        phase: Phase::SwitchingOver,
        phase_transitions: vec![PhaseTransition { phase: Phase::SwitchingOver, at: ago(30).unwrap() }],
        epoch: Some(7),
        source: Some(SourceStatus { uid: SOURCE.into(), ..Default::default() }),
        handover: Some(HandoverStatus {
            stop_first_sent_at: ago(30),
            stop_sent_at: ago(4),
            ..Default::default()
        }),
        ..Default::default()
    };
    let seen = Observation {
        source: Some(PodView::Absent),
        primary: Some(QueueView::Present { consumers: 0 }),
        ..Default::default()
    };
    let decision = decide_as_usual(MIGRATION, &spec(), &status, &seen, now);
    assert!(decision.status.handover.unwrap().stopped_at.is_some());
    let stops = |effect: &Effect| matches!(effect, Effect::Command { body: CommandBody::Stop, .. });
    assert!(!decision.effects.iter().any(stops), "{:?}", decision.effects);
}

#[test]
fn a_checkpoint_that_nobody_was_told_of_is_deleted() {
    let mut unheard = 0;
    for at in 0..20 {
        let mut script = Script::new(World::new());
        script.run(Some((at, Fault::LostAfter)), |_, script| {
            let told =
                script.status.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.archive.is_some());
            if script.world.archive && !told && !script.world.deletion_requested {
                unheard += 1;
                script.world.deletion_requested = true;
            }
        });
        assert!(!script.world.archive, "effect {at}: {:?}", script.status.outcome);
    }
    assert!(unheard > 0, "every answer was heard");
}

#[test]
fn numbers_that_nobody_can_have_counted_are_reported_and_not_written() {
    let mut script = Script::new(World::new());
    script.run(None, |_, script| {
        let Some(shadow) = script.world.shadow.clone() else { return };
        let body = ReplyBody::Progress {
            session: shadow.session,
            read: u64::MAX,
            applied: 1,
            skipped: NUMBER_MAX + 1,
            held: 0,
        };
        let told =
            Reply { version: 1, migration: MIGRATION.into(), epoch: shadow.epoch, pod_uid: shadow.uid, body };
        script.world.overhear(told);
        let replay = script.status.replay.clone().unwrap_or_default();
        assert!(replay.read.max(replay.skipped) <= NUMBER_MAX, "{replay:?}");
    });
    script.assert_completed();
    let degraded = script.status.conditions.iter().find(|c| c.type_ == condition::DEGRADED).unwrap();
    assert_eq!(degraded.reason, reason::REPLY_IMPOSSIBLE);
}

#[test]
fn what_an_application_says_fits_a_condition() {
    let mut script = Script::new(World::new());
    script.run(None, |_, script| {
        let body = ReplyBody::Error { reason: String::new(), message: "é".repeat(100_000) };
        script.world.overhear(Reply {
            version: 1,
            migration: MIGRATION.into(),
            epoch: 1,
            pod_uid: SOURCE.into(),
            body,
        });
    });
    script.assert_completed();
    let degraded = script.status.conditions.iter().find(|c| c.type_ == condition::DEGRADED).unwrap();
    assert_eq!((degraded.reason.as_str(), degraded.message.len()), (reason::REPLY_IMPOSSIBLE, 32_768));
}

#[test]
fn a_gap_of_a_target_that_came_after_the_point_of_no_return_ends_it_and_says_where_the_messages_are() {
    let mut script = Script::new(World::new());
    let mut struck = false;
    script.run(None, |_, script| {
        let passed =
            script.status.handover.as_ref().is_some_and(|handover| handover.point_of_no_return.is_some());
        script.world.checkpointed.lacks = passed;
        if passed && !struck {
            struck = true;
            script.world.shadow = None;
        }
    });
    let outcome = script.status.outcome.clone().unwrap();
    assert_eq!((outcome.result, outcome.reason.as_str()), (Phase::Failed, reason::GAP));
    assert!(outcome.message.contains("the source is stopped, and its RAM has them"), "{}", outcome.message);
    assert!(script.world.replay.is_some() && script.world.source.is_some());
}

/// Runs a migration whose new owner misses something when it has read the replay queue to its end, that many times.
fn misses_at_its_end(times: u32) -> Script {
    let mut script = Script::new(World::new());
    let (mut rounds, mut last) = (0, 0);
    script.run(None, |_, script| {
        let handover = script.status.handover.clone().unwrap_or_default();
        if let (Some(_), Some(shadow)) = (handover.switched_at, &mut script.world.shadow) {
            rounds += u32::from(handover.round != last);
            shadow.lacks = rounds <= times;
        }
        last = handover.round;
    });
    script.assert_completed();
    script
}

#[test]
fn what_the_new_owner_turns_out_to_lack_is_named_when_it_is_over() {
    let script = misses_at_its_end(u32::MAX);
    let outcome = script.status.outcome.clone().unwrap();
    assert!(outcome.message.ends_with("and that only its source had: p 1-1"), "{}", outcome.message);
    let degraded = script.status.conditions.iter().find(|c| c.type_ == condition::DEGRADED).unwrap();
    assert_eq!(degraded.reason, reason::GAP);
}

/// It may have been on its way in the primary queue.
#[test]
fn what_the_new_owner_lacks_for_a_moment_only_is_not_lacking() {
    let script = misses_at_its_end(3);
    let outcome = script.status.outcome.clone().unwrap();
    assert!(!outcome.message.contains("lacks"), "{}", outcome.message);
    assert!(script.status.handover.unwrap().missing.is_empty());
    let degraded = script.status.conditions.iter().find(|c| c.type_ == condition::DEGRADED).unwrap();
    assert_eq!((degraded.status, degraded.reason.as_str()), (ConditionStatus::False, reason::GAP));
}

/// It deletes it, does not hear that it did, and the new owner draws another session meanwhile.
#[test]
fn a_replay_queue_that_was_read_to_its_end_is_not_missed() {
    for at in 0..30 {
        let mut script = Script::new(World::new());
        let mut struck = false;
        script.run(Some((at, Fault::LostAfter)), |_, script| {
            let asked = script.status.cleanup.as_ref().and_then(|cleanup| cleanup.final_round);
            let answers = |reply: &Reply| matches!(&reply.body, ReplyBody::Drained { round, .. } if Some(*round) == asked);
            let answered = script.world.replies.iter().filter_map(|waits| waits.reply.as_ref()).any(answers);
            if answered && !struck {
                struck = true;
                script.world.shadow_reconnects();
            }
        });
        assert!(struck, "effect {at}");
        script.assert_completed();
    }
}

/// The source shows its nonce, and another shadow is there, before the operator looks again.
#[test]
fn a_shadow_that_is_first_seen_while_it_rolls_back_leaves_no_control_queue() {
    let mut replaced = 0;
    for at in 0..40 {
        let mut script = Script::new(World::new());
        let mut struck = false;
        script.run(None, |turn, script| {
            script.world.deletion_requested |= turn == at;
            let known = script.status.target.as_ref().and_then(|target| target.uid.clone());
            let is_known =
                script.world.shadow.as_ref().is_some_and(|shadow| Some(&shadow.uid) == known.as_ref());
            if script.status.abort.is_some() && is_known && !struck {
                struck = true;
                script.world.shadow = None;
                script.world.create_shadow();
                replaced += 1;
            }
        });
        if script.status.phase == Phase::RolledBack {
            script.assert_rolled_back(reason::CANCELLED);
        } else {
            script.assert_completed();
        }
    }
    assert!(replaced > 0);
}

#[test]
fn a_copy_that_came_and_went_before_anybody_saw_it_leaves_no_control_queue() {
    for cancels in [false, true] {
        let mut script = Script::new(World::new());
        let mut struck = false;
        script.run(None, |_, script| {
            if script.world.shadow.is_some() && !struck {
                struck = true;
                assert!(script.status.target.as_ref().is_some_and(|target| target.uid.is_none()));
                script.world.shadow = None;
                script.world.deletion_requested = cancels;
            }
        });
        assert!(struck);
        if cancels {
            script.assert_rolled_back(reason::CANCELLED);
        } else {
            script.assert_completed();
        }
    }
}

#[test]
fn services_are_not_routed_to_a_target_that_has_not_taken_over() {
    let mut script = Script::new(World::new());
    let mut struck = false;
    script.run(None, |_, script| {
        let switched = script.status.handover.as_ref().is_some_and(|handover| handover.switched_at.is_some());
        if switched && !struck {
            struck = true;
            script.world.shadow = None;
            script.world.create_shadow();
        }
        if let Some(shadow) = &script.world.shadow {
            assert!(
                shadow.owns || script.world.services_route_to != shadow.uid,
                "routed to a process that owns nothing"
            );
        }
    });
    assert!(struck);
    script.assert_completed();
}

#[test]
fn what_a_stranger_says_of_a_handover_begins_none() {
    let mut script = Script::new(World::new());
    script.run(None, |_, script| {
        if let Some(shadow) = script.world.shadow.clone().filter(|_| script.status.handover.is_none()) {
            script.world.deletion_requested = true;
            let body = ReplyBody::Drained { session: shadow.session, round: 0, ledger: shadow.ledger };
            let told = Reply {
                version: 1,
                migration: MIGRATION.into(),
                epoch: shadow.epoch,
                pod_uid: shadow.uid,
                body,
            };
            script.world.overhear(told);
        }
        assert_eq!(script.status.handover, None);
    });
    script.assert_rolled_back(reason::CANCELLED);
}

#[test]
fn a_target_that_never_begins_to_read_is_given_up_at_the_deadline() {
    for on_deadline in [OnDeadline::Cutoff, OnDeadline::Rollback] {
        let mut script = Script::new(World { target_is_deaf: true, ..World::new() });
        script.spec.replay.on_deadline = on_deadline;
        script.run(None, |_, _| {});
        script.assert_rolled_back(reason::REPLAY_DEADLINE_EXCEEDED);
        let total = script.status.outcome.as_ref().unwrap().total.as_duration();
        assert!(
            total >= script.spec.replay.deadline.as_duration() && total < Duration::from_mins(5),
            "{total:?}"
        );
    }
}

/// A migration that cannot go back, and not forward either: the source said nothing, and ten shadows ended.
fn stranded(silent: bool) -> StatefulMigrationStatus {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    StatefulMigrationStatus {
        phase: Phase::Restoring,
        phase_transitions: vec![PhaseTransition { phase: Phase::Restoring, at }],
        epoch: Some(7),
        nonce: Some("n".into()),
        source: Some(SourceStatus {
            uid: SOURCE.into(),
            container_id: "c".into(),
            probe_sent_at: Some(at),
            ..Default::default()
        }),
        target: Some(TargetStatus { incarnations: 10, ..Default::default() }),
        checkpoint: Some(CheckpointStatus {
            image: Some("i@sha256:0".into()),
            image_digest: Some("sha256:0".into()),
            ..Default::default()
        }),
        abort: Some(Abort {
            reason: reason::RESTORE_FAILED.into(),
            message: String::new(),
            at,
            asked_at: Some(at),
            proven: false,
            refused: true,
            silent,
        }),
        ..Default::default()
    }
}

#[test]
fn a_migration_does_not_fail_while_a_source_that_says_nothing_may_have_its_ram() {
    let now = "2026-01-01T00:01:00Z".parse::<jiff::Timestamp>().unwrap();
    let runs = PodFacts { uid: SOURCE.into(), container_id: "c".into(), running: true, ..Default::default() };
    let decided = |silent: bool, source: &PodView| {
        let (spec, status) = (spec(), stranded(silent));
        let seen = Observation {
            source: Some(source.clone()),
            shadow: Some(PodView::Absent),
            replay: Some(QueueView::Present { consumers: 0 }),
            ..Default::default()
        };
        decide_as_usual(MIGRATION, &spec, &status, &seen, now)
    };

    let alive = PodView::Present(runs);
    let asked = decided(true, &alive);
    assert_eq!(asked.status.phase, Phase::Restoring);
    let abort = asked.status.abort.clone().unwrap();
    assert!(!abort.refused && abort.asked_at.is_none(), "it is asked again: {abort:?}");
    assert!(asked.effects.iter().any(|effect| matches!(effect, Effect::CreateShadow { .. })));

    assert_eq!(decided(false, &alive).status.phase, Phase::Failed, "it answered, and has another RAM");
    assert_eq!(decided(true, &PodView::Absent).status.phase, Phase::Failed, "it is known to be gone");
}

#[test]
fn a_migration_that_ends_asks_for_nothing_more() {
    let now = "2026-01-01T00:01:00Z".parse::<jiff::Timestamp>().unwrap();
    let (spec, status) = (spec(), stranded(false));
    let ended = PodFacts { uid: "t".into(), ended: true, ..Default::default() };
    let decided = |replay: QueueView| {
        let seen = Observation {
            source: Some(PodView::Absent),
            shadow: Some(PodView::Present(ended.clone())),
            replay: Some(replay),
            ..Default::default()
        };
        decide_as_usual(MIGRATION, &spec, &status, &seen, now)
    };
    let goes_on = decided(QueueView::Present { consumers: 0 });
    assert_eq!(goes_on.effects, [Effect::DeleteShadow { uid: "t".into() }]);
    let failed = decided(QueueView::Absent);
    assert_eq!((failed.status.phase, failed.effects), (Phase::Failed, Vec::new()));
}

/// An operator that was cut off after it decided to go back has asked for nothing, however long ago that was.
#[test]
fn a_source_has_its_ten_seconds_from_when_it_was_asked() {
    let begun = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let after = |seconds: i64| begun + jiff::SignedDuration::from_secs(seconds);
    let runs = PodFacts { uid: SOURCE.into(), container_id: "c".into(), running: true, ..Default::default() };
    let probe = Effect::Command { pod_uid: SOURCE.to_owned(), epoch: 7, body: CommandBody::Probe };
    let refusal = EffectFailure { reason: "R", message: "no answer".into(), retryable: true, unheard: false };
    for result in [Ok(EffectReport::Done), Err(refusal)] {
        let mut status = stranded(false);
        status.abort = status.abort.map(|abort| Abort { asked_at: None, refused: false, ..abort });
        // The way forward is open.
        status.target = None;
        let mut turn = |seconds: i64, outcomes: Vec<EffectOutcome>| {
            let seen = Observation {
                source: Some(PodView::Present(runs.clone())),
                shadow: Some(PodView::Absent),
                replay: Some(QueueView::Present { consumers: 0 }),
                outcomes,
                listening_since: Some(begun),
                ..Default::default()
            };
            let spec = spec();
            let decided = decide_as_usual(MIGRATION, &spec, &status, &seen, after(seconds));
            status = decided.status;
            (status.abort.clone().unwrap().refused, decided.effects)
        };
        assert_eq!(turn(60, vec![]), (false, vec![probe.clone()]));
        let told = EffectOutcome { effect: probe.clone(), result };
        assert!(!turn(60, vec![told]).0);
        assert!(!turn(69, vec![]).0);
        assert!(turn(70, vec![]).0, "it had ten seconds");
    }
}
