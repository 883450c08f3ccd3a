//! Those of the seeded bugs ([`SeededBug`]) that come down to another decision, or to more than was decided: here, so that `protocol` can be read without them.
//! Without the feature `seeded-bugs` all of it is [`protocol::decide`](crate::protocol::decide).

use jiff::Timestamp;
use ms2m_app::seeded_bug::{self, SeededBug};

use super::context::Context;
use crate::{
    api::{Phase, StatefulMigrationStatus},
    kubernetes::{MigrationRef, migrations},
    protocol::{self, Decision, Effect, Migration, Observation, PodView, QueueView},
};

/// Decides what is done next, with the bug that is built in, if one is.
pub(super) fn decide(migration: &Migration<'_>, seen: &Observation, now: Timestamp) -> Decision {
    if seeded_bug::is(SeededBug::BindAfterCheckpoint) {
        return binding_late(migration, seen, now);
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

/// Takes the replay queue for bound, and binds it when the checkpoint is there.
fn binding_late(migration: &Migration<'_>, seen: &Observation, now: Timestamp) -> Decision {
    let mut seen = seen.clone();
    let absent = seen.replay == Some(QueueView::Absent);
    if migration.status.phase <= Phase::Checkpointing && absent {
        seen.replay = Some(QueueView::Present { consumers: 0 });
    }
    let mut decision = protocol::decide(migration, &seen, now);
    let Some(mirror) = &mut decision.status.mirror else { return decision };
    if decision.status.phase == Phase::Mirroring {
        let asked = decision.effects.len();
        decision.effects.retain(|effect| !matches!(effect, Effect::MirrorReplay { .. }));
        if decision.effects.len() < asked {
            mirror.bound_at = Some(now);
        }
    } else if migration.status.phase == Phase::Checkpointing && decision.status.phase == Phase::Transferring {
        let (replay_queue, bindings) = (mirror.replay_queue.clone(), mirror.bindings.clone());
        decision.effects.push(Effect::MirrorReplay { replay_queue, bindings });
    }
    decision
}

/// UIDs of the sources of everybody's migrations, where a bug deletes their control queues, too; otherwise nobody's.
pub(super) async fn everybody(context: &Context, migration: &MigrationRef) -> Vec<String> {
    if !seeded_bug::is(SeededBug::CleanUpEverybody) {
        return Vec::new();
    }
    let migrations = migrations::api(&context.client, &migration.namespace);
    let listed = migrations.list(&kube::api::ListParams::default()).await;
    let all = listed.map(|all| all.items).unwrap_or_default();
    let sources = all.into_iter().filter_map(|object| object.status?.source);
    sources.map(|source| source.uid).collect()
}
