use ms2m_app::seeded_bug::{self, SeededBug};
use std::time::Duration;

use jiff::Timestamp;
use ms2m_app::contract::CommandBody;

use super::Draft;
use crate::protocol::{Life, QueueView};

/// How long a source that was told to stop may say nothing before the broker's word is taken instead: above the
/// heartbeat, after which the broker closes a dead connection by itself, also that of an operator which has heard the answer.
const SILENCE: Duration = Duration::from_secs(20);

/// How long nobody must have consumed `Q` before that counts: a source that left it a moment ago has its `STOPPED` on its way. One
/// whose broker does not take it for so long gives its connection up.
const PARTING: Duration = Duration::from_secs(5);

/// Stops the source. True when it is known to be stopped.
pub(super) fn ensure(draft: &mut Draft<'_>) -> bool {
    if draft.handover().stopped_at.is_some() {
        return true;
    }
    let (sent, first) = (draft.handover().stop_sent_at, draft.handover().stop_first_sent_at);
    // The durable STOP must be in the control queue before anything else is believed: a fresh container of the source
    // pod obeys it, too.
    let fenced = |first| seeded_bug::is(SeededBug::NoFence) || is_silent_and_unowned(draft, first);
    if first.is_some_and(fenced) {
        let now = draft.now;
        let handover = draft.handover();
        handover.stopped_at = Some(now);
        handover.stopped = None;
        return true;
    }
    if draft.is_due_again(sent, draft.migration.intervals.stop_again) {
        let (uid, epoch) = (draft.source_uid(), draft.epoch());
        draft.command(&uid, epoch, CommandBody::Stop);
    }
    false
}

/// Whether the broker's word stands for a source that was first told to stop then: it is gone, or says nothing.
fn is_silent_and_unowned(draft: &mut Draft<'_>, first: Timestamp) -> bool {
    let gone = draft.source_life() == Life::PodGone;
    if !gone && !draft.is_silent(first, SILENCE) {
        return false;
    }
    let unowned = matches!(draft.seen.primary, Some(QueueView::Present { consumers: 0 }));
    if unowned && (gone || seeded_bug::is(SeededBug::TakeAbsenceForSilence)) {
        return true;
    }
    match draft.seen.unowned_since.filter(|_| unowned) {
        Some(since) => draft.is_due(since, PARTING),
        None => {
            draft.wake_after(draft.migration.intervals.consumes_again);
            false
        }
    }
}
