use ms2m_app::seeded_bug::{self, SeededBug};
use std::time::Duration;

use super::{Draft, Effect};
use crate::{
    api::{CheckpointStatus, ConditionStatus, Phase, StatefulMigrationSpec, condition, reason},
    protocol::{EffectFailure, table},
};

/// A kubelet gives a checkpoint at least as much, whatever it is told: its runtime interface's own limit.
const KUBELET_TIMEOUT_MIN: Duration = Duration::from_mins(2);
/// How long a request may be on its way to the kubelet.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// How long the kubelet is told to take at most for a checkpoint.
pub fn checkpoint_timeout(spec: &StatefulMigrationSpec) -> Duration {
    spec.deadlines.checkpointing.as_duration().max(KUBELET_TIMEOUT_MIN)
}

/// The kubelet is asked to write the checkpoint.
pub(super) fn step(draft: &mut Draft<'_>) {
    let checkpoint = draft.status.checkpoint.clone().unwrap_or_default();
    if checkpoint.archive.is_some() {
        draft.enter(Phase::Transferring);
        return;
    }
    if draft.source_life().is_lost() {
        draft.abort(reason::SOURCE_LOST, "the source ended before it was checkpointed".to_owned());
        return;
    }
    if checkpoint.attempts >= (table::row(Phase::Checkpointing).attempts)(&draft.migration.spec.attempts) {
        let last = checkpoint.last_error.unwrap_or_default();
        draft.abort(
            reason::CHECKPOINT_FAILED,
            format!("{} attempts failed; the last: {last}", checkpoint.attempts),
        );
        return;
    }
    let doubled = 2_u32.saturating_pow(checkpoint.attempts.saturating_sub(1));
    let pause = draft.migration.intervals.checkpoint_again.saturating_mul(doubled);
    if !draft.is_due_again(checkpoint.last_attempt_at, pause) {
        return;
    }
    let Some(source) = draft.status.source.clone() else { return };
    // Recorded before it is asked for: an archive whose answer is lost is deleted, too, be it written later.
    let now = draft.now;
    let checkpoint = draft.status.checkpoint.get_or_insert_default();
    checkpoint.unheard_at = checkpoint.asked_at.replace(now).or(checkpoint.unheard_at);
    draft.emit(Effect::Checkpoint { node: source.node, pod: source.pod, container: source.container });
}

/// The kubelet has written it. It writes one of a container at a time: none that was asked for earlier is under way.
pub(in crate::protocol) fn written(checkpoint: &mut CheckpointStatus, path: &str) {
    checkpoint.attempts += 1;
    checkpoint.archive = Some(path.to_owned());
    (checkpoint.last_error, checkpoint.asked_at, checkpoint.unheard_at) = (None, None, None);
}

/// It has not, or has not said so.
pub(in crate::protocol) fn not_written(draft: &mut Draft<'_>, failure: &EffectFailure) {
    let now = draft.now;
    let checkpoint = draft.status.checkpoint.get_or_insert_default();
    checkpoint.attempts += 1;
    checkpoint.last_error = Some(failure.message.clone());
    checkpoint.last_attempt_at = Some(now);
    let asked_at = checkpoint.asked_at.take();
    if failure.unheard {
        checkpoint.unheard_at = asked_at.or(checkpoint.unheard_at);
    }
}

/// Whether every checkpoint that was asked for has ended: an archive that is written when the archives have been deleted stays, with
/// all of the process's memory in it. Where nobody heard how one went, the kubelet's time for it is waited out.
pub(super) fn none_is_under_way(draft: &mut Draft<'_>) -> bool {
    let checkpoint = draft.status.checkpoint.clone().unwrap_or_default();
    let Some(asked_at) = checkpoint.asked_at.or(checkpoint.unheard_at) else { return true };
    if seeded_bug::is(SeededBug::CleanUpUnheard)
        || draft.is_due(asked_at, checkpoint_timeout(draft.migration.spec) + ON_THE_WAY)
    {
        return true;
    }
    let message =
        "nobody heard how a checkpoint went: what it may still write is waited for, and then deleted";
    draft.set_condition(
        condition::PROGRESSING,
        ConditionStatus::True,
        reason::IN_PROGRESS,
        message.to_owned(),
    );
    false
}
