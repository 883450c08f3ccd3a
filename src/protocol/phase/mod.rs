//! One file per phase: what it waits for, what it asks for, where it leads.

mod checkpointing;
mod finishing;
mod mirroring;
mod pending;
mod replaying;
mod restoring;
mod rolling_back;
mod shadow;
mod stop;
mod switching_over;
mod taking_over;
mod transferring;

use super::{Effect, Life, QueueView, draft::Draft, table};
use crate::api::{Phase, reason};
pub use checkpointing::checkpoint_timeout;
pub(super) use checkpointing::{not_written as checkpoint_not_written, written as checkpoint_written};
use ms2m_app::seeded_bug::{self, SeededBug};
pub(super) use rolling_back::cleanup_refused;
pub(super) use shadow::{note as note_shadow, retire};

/// Does what the current phase asks for; may enter the next.
pub(super) fn step(draft: &mut Draft<'_>) {
    if draft.seen.deletion_requested && seeded_bug::is(SeededBug::ReleaseEarly) {
        draft.emit(Effect::RemoveFinalizer);
    }
    match draft.status.phase {
        Phase::Pending => pending::step(draft),
        Phase::Mirroring => mirroring::step(draft),
        Phase::Checkpointing => checkpointing::step(draft),
        Phase::Transferring => transferring::step(draft),
        Phase::Restoring => restoring::step(draft),
        Phase::Replaying => replaying::step(draft),
        Phase::SwitchingOver if !draft.past_point_of_no_return() => switching_over::step(draft),
        Phase::SwitchingOver if !has_switched(draft) => taking_over::step(draft),
        Phase::SwitchingOver => finishing::step(draft),
        Phase::RollingBack => rolling_back::step(draft),
        Phase::Completed | Phase::RolledBack | Phase::Failed => {
            if draft.seen.deletion_requested && !seeded_bug::is(SeededBug::KeepFinalizer) {
                draft.emit(Effect::RemoveFinalizer);
            }
        }
    }
}

/// Whether the target that is there now owns the queue. One that was replaced while `R` is still bound must take over
/// again; once `R` is unbound, a crash of the new owner is the workload's own.
fn has_switched(draft: &Draft<'_>) -> bool {
    let Some(handover) = &draft.status.handover else { return false };
    let unbound = draft.status.cleanup.as_ref().is_some_and(|cleanup| cleanup.unbound_at.is_some());
    handover.switched_at.is_some() && (unbound || handover.switched_session == draft.session())
}

/// `R` must be there from the sync point until a target has drained it: without it the target cannot be complete.
pub(super) fn watch_replay_queue(draft: &mut Draft<'_>) {
    let began = draft.status.phase > Phase::Mirroring && draft.status.phase <= Phase::SwitchingOver;
    let lost = draft.seen.replay == Some(QueueView::Absent);
    let passed = draft.past_point_of_no_return();
    // Read to its end it is deleted, and that may be seen before it is heard.
    let read = draft.status.cleanup.as_ref().is_some_and(|cleanup| cleanup.drained || cleanup.replay_deleted);
    if !began || !lost || read || (passed && has_drained(draft)) {
        return;
    }
    let queue = draft.status.mirror.as_ref().map(|mirror| mirror.replay_queue.clone()).unwrap_or_default();
    let message = format!("the replay queue {queue} was deleted by somebody else");
    if !passed && !draft.forward_only() {
        draft.abort(reason::REPLAY_QUEUE_LOST, message);
        return;
    }
    if !passed && draft.ask_again() {
        return;
    }
    let image = draft.status.checkpoint.as_ref().and_then(|c| c.image.clone()).unwrap_or_default();
    let rest = if draft.source_life() == Life::Alive {
        "the source is stopped, but its RAM has all of it".to_owned()
    } else {
        format!(
            "image {image} has the state up to the checkpoint; only publishers may still have what came after it"
        )
    };
    let message = format!("{message}, and the target needs it: {rest}");
    draft.end(Phase::Failed, reason::REPLAY_QUEUE_LOST, message);
}

fn has_drained(draft: &Draft<'_>) -> bool {
    let drained = draft.status.handover.as_ref().and_then(|handover| handover.drained_session.clone());
    drained.is_some() && drained == draft.session()
}

/// Rolls back when the phase has taken too long.
pub(super) fn watch_deadline(draft: &mut Draft<'_>) {
    let phase = draft.status.phase;
    if draft.past_point_of_no_return() || draft.forward_only() {
        return;
    }
    let Some(deadline) = table::deadline(phase, draft.migration.spec) else { return };
    if draft.is_due(draft.phase_entered_at(), deadline) {
        let waiting = draft.shadow().map(|shadow| shadow.trouble.clone()).unwrap_or_default();
        let tried = draft.status.checkpoint.as_ref().and_then(|checkpoint| checkpoint.last_error.clone());
        let detail = match tried {
            Some(error) if phase == Phase::Checkpointing => format!("; the last attempt: {error}"),
            _ if waiting.is_empty() => String::new(),
            _ => format!("; the shadow pod says: {waiting}"),
        };
        let message = format!("{phase:?} took longer than {}s{detail}", deadline.as_secs());
        draft.abort(reason::DEADLINE_EXCEEDED, message);
    }
}
