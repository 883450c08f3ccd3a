use std::time::Duration;

use super::{Draft, Effect};
use crate::{
    api::{Phase, reason},
    protocol::table,
};

/// A connection that was just being accepted fails a checkpoint; the next moment it is established.
const FIRST_RETRY: Duration = Duration::from_millis(250);

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
    let pause = FIRST_RETRY * 2_u32.saturating_pow(checkpoint.attempts.saturating_sub(1));
    if !draft.is_due_again(checkpoint.last_attempt_at, pause) {
        return;
    }
    let Some(source) = draft.status.source.clone() else { return };
    // Recorded before it is asked for: an archive whose answer is lost is deleted, too.
    draft.status.checkpoint.get_or_insert_default();
    draft.emit(Effect::Checkpoint { node: source.node, pod: source.pod, container: source.container });
}
