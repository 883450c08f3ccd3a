use proptest::prelude::*;

use super::{
    script::{Fault, Script},
    world::World,
};
use crate::api::{OnDeadline, Phase, reason};

const FAULTS: [Fault; 4] = [Fault::LostBefore, Fault::LostAfter, Fault::Repeated, Fault::LostAfterWrite];

fn completed() -> Script {
    let mut script = Script::new(World::new());
    script.run(None, |_, _| {});
    script
}

#[test]
fn a_migration_without_a_fault_completes_and_leaves_nothing_behind() {
    let script = completed();
    script.assert_completed();
    let phases: Vec<Phase> = script.status.phase_transitions.iter().map(|t| t.phase).collect();
    let expected = [
        Phase::Pending,
        Phase::Mirroring,
        Phase::Checkpointing,
        Phase::Transferring,
        Phase::Restoring,
        Phase::Replaying,
        Phase::SwitchingOver,
        Phase::Completed,
    ];
    assert_eq!(phases, expected);
    assert!(script.status.pause.is_some());
    assert_eq!(script.status.epoch, Some(7), "larger than what the source had seen");
}

#[test]
fn every_effect_may_be_lost_before_lost_after_its_write_or_repeated() {
    let effects = completed().effects_done;
    assert!(effects > 15, "only {effects} effects: the walk is not the one that was meant");
    for at in 0..effects {
        for fault in FAULTS {
            let mut script = Script::new(World::new());
            script.run(Some((at, fault)), |_, _| {});
            script.assert_completed();
        }
    }
}

#[test]
fn cancelling_at_any_turn_rolls_back_or_completes() {
    let (mut rolled_back, mut completed) = (0, 0);
    for at in 0..60 {
        for fault in FAULTS {
            let mut script = Script::new(World::new());
            script.run(Some((u64::from(at) / 2, fault)), |turn, script| {
                script.world.deletion_requested |= turn == at;
            });
            assert!(!script.world.finalizer || !script.world.deletion_requested);
            match script.status.phase {
                Phase::Completed => {
                    script.assert_completed();
                    completed += 1;
                }
                _ => {
                    script.assert_rolled_back(reason::CANCELLED);
                    rolled_back += 1;
                }
            }
        }
    }
    assert!(rolled_back > 0 && completed > 0, "{rolled_back} rolled back, {completed} completed");
}

#[test]
fn a_source_that_dies_at_any_turn_fails_before_the_archive_and_completes_after_it() {
    let (mut failed, mut completed) = (0, 0);
    for at in 0..60 {
        let mut script = Script::new(World::new());
        let mut archived = false;
        script.run(None, |turn, script| {
            if turn == at {
                archived = script.world.archive;
                if let Some(source) = &mut script.world.source {
                    source.ended = true;
                    source.owns = false;
                }
            }
        });
        match script.status.phase {
            Phase::Completed => {
                assert!(script.status.checkpoint.as_ref().unwrap().archive.is_some());
                completed += 1;
            }
            Phase::Failed => {
                assert!(!archived, "gave up a usable checkpoint at turn {at}");
                assert_eq!(script.status.outcome.as_ref().unwrap().reason, reason::SOURCE_LOST);
                assert_eq!(script.world.leftovers(), Vec::<&str>::new());
                failed += 1;
            }
            // Its death may come before the source is recorded: then there was nothing to move.
            other => assert_eq!((other, at < 2), (Phase::RolledBack, true), "turn {at}"),
        }
    }
    assert!(failed > 0 && completed > 0, "{failed} failed, {completed} completed");
}

#[test]
fn a_shadow_that_dies_at_any_turn_is_replaced() {
    for at in 0..60 {
        let mut script = Script::new(World::new());
        script.run(None, |turn, script| {
            let owned = script.status.cleanup.as_ref().is_some_and(|cleanup| cleanup.source_gone);
            if turn == at
                && !owned
                && let Some(shadow) = &mut script.world.shadow
            {
                shadow.ended = true;
                shadow.owns = false;
            }
        });
        script.assert_completed();
    }
}

#[test]
fn a_restore_that_silently_starts_fresh_rolls_back() {
    let mut script = Script::new(World { restores_fresh: true, ..World::new() });
    script.run(None, |_, _| {});
    script.assert_rolled_back(reason::RESTORED_FRESH);
}

#[test]
fn a_restore_that_starts_fresh_when_the_source_is_dead_fails_and_keeps_the_image() {
    let mut script = Script::new(World { restores_fresh: true, ..World::new() });
    script.run(None, |_, script| {
        if script.world.image
            && let Some(source) = &mut script.world.source
        {
            source.ended = true;
            source.owns = false;
        }
    });
    assert_eq!(script.status.phase, Phase::Failed);
    assert!(script.world.image, "the only copy of the state was deleted");
    assert!(script.world.replay.is_some(), "what the copy lacks was deleted");
    let seen = script.status.target.as_ref().and_then(|target| target.seen_at).unwrap();
    let began = script.status.phase_transitions.iter().find(|entered| entered.phase == Phase::Restoring);
    let tried_for = seen.duration_since(began.unwrap().at).as_secs();
    assert!(tried_for > 120, "somebody has {tried_for} s to mend what keeps the shadows from restoring");
}

#[test]
fn a_checkpoint_that_fails_is_tried_again_and_then_given_up() {
    let mut script = Script::new(World { checkpoint_failures: 4, ..World::new() });
    script.run(None, |_, _| {});
    script.assert_completed();
    let mut script = Script::new(World { checkpoint_failures: 5, ..World::new() });
    script.run(None, |_, _| {});
    script.assert_rolled_back(reason::CHECKPOINT_FAILED);
}

#[test]
fn the_spec_says_how_often_is_tried() {
    let mut script = Script::new(World { checkpoint_failures: 1, ..World::new() });
    script.spec.attempts.checkpoints = 1;
    script.run(None, |_, _| {});
    script.assert_rolled_back(reason::CHECKPOINT_FAILED);

    for allowed in [1, 4] {
        let mut script = Script::new(World::new());
        script.spec.attempts.shadows = allowed;
        script.run(None, |_, script| {
            if let Some(shadow) = &mut script.world.shadow {
                shadow.ended = true;
            }
        });
        assert_eq!(script.world.shadows_made, allowed);
        script.assert_rolled_back(reason::RESTORE_FAILED);
    }
}

#[test]
fn a_transfer_that_fails_rolls_back() {
    let mut script = Script::new(World { transfer_fails: true, ..World::new() });
    script.run(None, |_, _| {});
    script.assert_rolled_back(reason::TRANSFER_FAILED);
}

#[test]
fn a_gap_with_a_living_source_rolls_back_and_with_a_dead_one_says_what_is_missing() {
    let lacks = |_: u32, script: &mut Script| {
        if let Some(shadow) = &mut script.world.shadow {
            shadow.lacks = true;
        }
    };
    let mut script = Script::new(World::new());
    script.run(None, lacks);
    script.assert_rolled_back(reason::GAP);
    let mut script = Script::new(World::new());
    script.run(None, |turn, script| {
        lacks(turn, script);
        let stopped = script.status.handover.as_ref().is_some_and(|handover| handover.stopped.is_some());
        if stopped && let Some(source) = &mut script.world.source {
            source.ended = true;
        }
    });
    assert_eq!(script.status.phase, Phase::Failed);
    assert_eq!(script.status.outcome.as_ref().unwrap().reason, reason::GAP);
    assert!(script.world.replay.is_some() && script.world.shadow.is_some());
}

#[test]
fn a_source_that_never_answers_probe_is_refused_and_nothing_is_left() {
    let mut script = Script::new(World { mute: true, ..World::new() });
    script.run(None, |_, _| {});
    script.assert_rolled_back(reason::SOURCE_NOT_MIGRATABLE);
}

#[test]
fn a_replay_that_may_not_cut_off_rolls_back_at_its_deadline() {
    let mut script = Script::new(World::new());
    script.spec.replay.on_deadline = OnDeadline::Rollback;
    // The target says nothing of its progress, so nothing is ever predicted.
    script.run(None, |_, script| {
        script.world.replies.retain(|pending| {
            !matches!(
                pending.reply.as_ref().map(|reply| &reply.body),
                Some(ms2m_app::contract::ReplyBody::Progress { .. })
            )
        });
    });
    script.assert_rolled_back(reason::REPLAY_DEADLINE_EXCEEDED);
}

#[test]
fn a_replay_queue_that_disappears_costs_no_message() {
    for at in 0..60 {
        let mut script = Script::new(World::new());
        script.run(None, |turn, script| {
            let needed =
                script.status.handover.as_ref().is_none_or(|handover| handover.point_of_no_return.is_none());
            if turn == at && needed {
                script.world.replay = None;
            }
        });
        match script.status.phase {
            // Before the sync point it is bound again, with a marker of its own.
            Phase::Completed => script.assert_completed(),
            _ => script.assert_rolled_back(reason::REPLAY_QUEUE_LOST),
        }
    }
}

#[derive(Clone, Debug)]
enum Blow {
    KillSource,
    KillShadow,
    Cancel,
    LoseReplies,
    LoseReplay,
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        Just(Blow::KillSource),
        Just(Blow::KillShadow),
        Just(Blow::Cancel),
        Just(Blow::LoseReplies),
        Just(Blow::LoseReplay),
    ]
}

fn strike(blow: &Blow, script: &mut Script) {
    // Once the source is gone a crash of the new owner is the workload's own.
    let owned = script.status.cleanup.as_ref().is_some_and(|cleanup| cleanup.source_gone);
    let world = &mut script.world;
    match blow {
        Blow::KillSource => {
            if let Some(source) = &mut world.source {
                (source.ended, source.owns) = (true, false);
            }
        }
        Blow::KillShadow => {
            if let Some(shadow) = world.shadow.as_mut().filter(|_| !owned) {
                (shadow.ended, shadow.owns) = (true, false);
            }
        }
        Blow::Cancel => world.deletion_requested = true,
        // The broker lost nothing, but what was delivered must be said again.
        Blow::LoseReplies => world.replies.truncate(0),
        Blow::LoseReplay => world.replay = None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_ends_with_one_owner_or_says_why_not(
        blows in proptest::collection::vec((0u32..60, blow()), 0..4),
        crash in (0u64..40, 0usize..4),
    ) {
        let mut script = Script::new(World::new());
        script.run(Some((crash.0, FAULTS[crash.1])), |turn, script| {
            for (at, blow) in &blows {
                if *at == turn {
                    strike(blow, script);
                }
            }
        });
        match script.status.phase {
            Phase::Completed => prop_assert_eq!(script.world.leftovers(), Vec::<&str>::new()),
            Phase::RolledBack => prop_assert_eq!(script.world.leftovers(), Vec::<&str>::new()),
            phase => {
                prop_assert_eq!(phase, Phase::Failed);
                prop_assert!(!script.status.outcome.as_ref().unwrap().message.is_empty());
            }
        }
    }
}
