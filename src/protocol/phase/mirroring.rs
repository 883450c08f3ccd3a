use ms2m_app::contract::{CONTRACT_VERSION, Marker};

use super::{Draft, Effect, pending};
use crate::{
    api::{Phase, reason},
    protocol::{PodView, QueueView},
};

/// `R` is bound, and the source is asked for the sync point.
pub(super) fn step(draft: &mut Draft<'_>) {
    if draft.source_life().is_lost() {
        draft.abort(reason::SOURCE_LOST, "the source ended before it was checkpointed".to_owned());
        return;
    }
    if bindings_changed(draft) {
        let message = "the queue's bindings changed while the replay queue was being bound; try again when they are stable";
        draft.abort(reason::BINDINGS_CHANGED, message.to_owned());
        return;
    }
    if !forget_lost_mirror(draft) {
        return;
    }
    label(draft);
    if draft.status.mirror.as_ref().is_some_and(|mirror| mirror.synced.is_some()) {
        if has_template(draft) {
            draft.enter(Phase::Checkpointing);
        }
        return;
    }
    let Some(mirror) = draft.status.mirror.clone() else { return };
    let Some(bound_at) = mirror.bound_at else {
        draft.emit(Effect::MirrorReplay { replay_queue: mirror.replay_queue, bindings: mirror.bindings });
        return;
    };
    let settle = draft.migration.spec.replay.settle.as_duration();
    let again = draft.migration.intervals.sync_again;
    if draft.is_due(bound_at, settle) && draft.is_due_again(mirror.sync_sent_at, again) {
        let marker = Marker::Sync {
            version: CONTRACT_VERSION,
            migration: draft.migration.uid.to_owned(),
            epoch: draft.epoch(),
            nonce: draft.status.nonce.clone().unwrap_or_default(),
            source: draft.source_uid(),
        };
        draft.emit(Effect::PublishMarker { queue: draft.migration.spec.broker.queue.clone(), marker });
    }
}

/// Marks the source, once what shadows are made from is kept: a label alone may be of an operator that was lost before it had
/// written down what it kept.
fn label(draft: &mut Draft<'_>) {
    let kept = has_template(draft);
    if matches!(&draft.seen.source, Some(PodView::Present(pod)) if !pod.labelled || !kept) {
        draft.emit(Effect::LabelSource);
    }
}

fn has_template(draft: &Draft<'_>) -> bool {
    draft.status.source.as_ref().is_some_and(|source| source.template_digest.is_some())
}

fn bindings_changed(draft: &Draft<'_>) -> bool {
    let recorded = draft.status.mirror.as_ref().map(|mirror| &mirror.bindings);
    matches!((&draft.seen.bindings, recorded), (Some(seen), Some(recorded)) if !same(seen, recorded))
}

fn same(a: &[crate::api::Binding], b: &[crate::api::Binding]) -> bool {
    a.len() == b.len() && a.iter().all(|binding| b.contains(binding))
}

/// A replay queue that was lost after it was bound has lost messages, too: a marker older than its next bind counts
/// for nothing, so the next one has an epoch and a nonce of its own. False when there is no such epoch.
fn forget_lost_mirror(draft: &mut Draft<'_>) -> bool {
    let lost = draft.seen.replay == Some(QueueView::Absent);
    let Some(mirror) = draft.status.mirror.as_mut().filter(|mirror| lost && mirror.bound_at.is_some()) else {
        return true;
    };
    let Some(epoch) = draft.status.epoch.and_then(pending::epoch_after) else {
        let message =
            "the replay queue was deleted by somebody else, and no larger epoch is left to begin again with";
        draft.abort(reason::REPLAY_QUEUE_LOST, message.to_owned());
        return false;
    };
    mirror.bound_at = None;
    mirror.sync_sent_at = None;
    mirror.synced = None;
    draft.status.epoch = Some(epoch);
    draft.status.nonce = Some(draft.seen.fresh_nonce.clone());
    true
}
