//! Those of the seeded bugs ([`SeededBug`]) that come down to another decision: here, so that `protocol` can be read without them.
//! Without the feature `seeded-bugs` all of it is [`protocol::decide`](crate::protocol::decide).

use jiff::Timestamp;
use ms2m_app::seeded_bug::{self, SeededBug};

use crate::{
    api::{Phase, StatefulMigrationStatus},
    protocol::{self, Decision, Effect, Migration, Observation, PodView},
};

/// Decides what is done next, with the bug that is built in, if one is.
pub(super) fn decide(migration: &Migration<'_>, seen: &Observation, now: Timestamp) -> Decision {
    if seeded_bug::is(SeededBug::BindAfterCheckpoint) {
        return without_sync_point(migration, seen, now);
    }
    let mut decision = protocol::decide(migration, seen, now);
    let passed = |handover: &crate::api::HandoverStatus| handover.point_of_no_return.is_some();
    let switching = decision.status.phase == Phase::SwitchingOver && decision.status.abort.is_none();
    if switching && !decision.status.handover.as_ref().is_some_and(passed) {
        before_the_point_of_no_return(&mut decision, seen, now);
    }
    decision
}

fn before_the_point_of_no_return(decision: &mut Decision, seen: &Observation, now: Timestamp) {
    let StatefulMigrationStatus { handover, source, mirror, target, .. } = &mut decision.status;
    let (Some(handover), Some(source), Some(mirror)) = (handover, source, mirror) else { return };
    let source_stands = matches!(&seen.source, Some(PodView::Present(pod)) if !pod.terminating);
    if seeded_bug::is(SeededBug::RemoveSourceEarly) && source_stands {
        decision.effects.push(Effect::DeleteSource { uid: source.uid.clone() });
    }
    if seeded_bug::is(SeededBug::DeleteReplayEarly) && handover.stopped_at.is_some() {
        decision.effects.push(Effect::DeleteReplay { replay_queue: mirror.replay_queue.clone() });
    }
    if seeded_bug::is(SeededBug::HandOverUndrained) && handover.end_sent_at.is_some() {
        handover.drained_session = target.as_ref().and_then(|target| target.session.clone());
        handover.drained_round = handover.round;
        handover.point_of_no_return = Some(now);
    }
}

/// Checkpoints at once, and binds the replay queue afterwards.
fn without_sync_point(migration: &Migration<'_>, seen: &Observation, now: Timestamp) -> Decision {
    let mut status = migration.status.clone();
    if let Some(mirror) = status.mirror.as_mut().filter(|_| status.phase == Phase::Mirroring) {
        mirror.synced.get_or_insert_default();
    }
    let mut decision = protocol::decide(&Migration { status: &status, ..*migration }, seen, now);
    let arrived =
        migration.status.phase == Phase::Checkpointing && decision.status.phase > Phase::Checkpointing;
    if let Some(mirror) = decision.status.mirror.as_ref().filter(|_| arrived) {
        let (replay_queue, bindings) = (mirror.replay_queue.clone(), mirror.bindings.clone());
        decision.effects.push(Effect::MirrorReplay { replay_queue, bindings });
    }
    decision
}
