use super::{Draft, Effect};
use crate::{
    api::{NUMBER_MAX, Phase, reason},
    protocol::JobView,
    registry::report::TransferReport,
};

/// A Job on the source's node pushes the archive as an image.
///
/// The source may end meanwhile: the archive holds all that is needed to go on.
pub(super) fn step(draft: &mut Draft<'_>) {
    match draft.seen.transfer_job.clone() {
        Some(JobView::Absent) => create(draft),
        Some(JobView::Succeeded { message }) => pushed(draft, &message),
        Some(JobView::Failed { reason: word, message }) => {
            draft.abort(reason::TRANSFER_FAILED, format!("the transfer Job failed ({word}): {message}"));
        }
        Some(JobView::Running | JobView::Terminating) => {}
        None => draft.wake_after(draft.migration.intervals.retry),
    }
}

fn create(draft: &mut Draft<'_>) {
    let (Some(source), Some(checkpoint)) = (draft.status.source.clone(), draft.status.checkpoint.clone())
    else {
        return;
    };
    draft.emit(Effect::CreateTransferJob {
        node: source.node,
        archive: checkpoint.archive.unwrap_or_default(),
        container: source.container,
        container_id: source.container_id,
    });
}

fn pushed(draft: &mut Draft<'_>, message: &str) {
    let problem = match TransferReport::from_termination_message(message) {
        Ok(TransferReport::Pushed(pushed)) => {
            let checkpoint = draft.status.checkpoint.get_or_insert_default();
            checkpoint.bytes = Some(pushed.bytes).filter(|bytes| *bytes <= NUMBER_MAX);
            checkpoint.image = Some(pushed.image);
            checkpoint.image_digest = Some(pushed.digest);
            draft.enter(Phase::Restoring);
            return;
        }
        Ok(other) => format!("is not about a push: {other:?}"),
        Err(error) => format!("cannot be read: {error}"),
    };
    draft.abort(reason::TRANSFER_FAILED, format!("the transfer Job's report {problem}"));
}
