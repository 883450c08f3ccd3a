use ms2m_app::seeded_bug::{self, SeededBug};
use std::time::Duration;

use super::{Draft, Effect, rolling_back, shadow, switching_over, taking_over};
use crate::{
    api::{Phase, reason},
    protocol::{PodView, replies},
};

/// How long the new owner may take to read the rest of `R`: everything in it that the source did not process is in
/// `Q` as well, so nothing depends on it but the certainty, and to name what nobody has.
const FINAL_READ: Duration = Duration::from_secs(30);

/// The target owns the queue: take down what is left, in this order.
pub(super) fn step(draft: &mut Draft<'_>) {
    taking_over::measure_pause(draft);
    // While R is bound, a new owner that dies can still be made again from the checkpoint without losing anything.
    if draft.cleanup().unbound_at.is_none() {
        shadow::keep(draft);
        // One that was made just now has taken nothing over yet, and nothing may be routed to it.
        let there = draft.shadow().is_some_and(|shadow| !shadow.ended && !shadow.terminating);
        if !there || !super::has_switched(draft) {
            return;
        }
    }
    let done = route(draft)
        && remove_source(draft)
        && rolling_back::unbind(draft)
        && read_to_the_end(draft)
        && rolling_back::delete_replay(draft)
        && rolling_back::delete_job(draft)
        && rolling_back::delete_checkpoint(draft, draft.migration.spec.retain_checkpoint)
        && delete_control_queue(draft)
        && rolling_back::delete_retired(draft)
        && rolling_back::delete_replies(draft);
    if done {
        let source = draft.migration.spec.source_pod.clone();
        let target = draft.status.target.clone().unwrap_or_default();
        let pause = draft.status.pause.unwrap_or_default();
        let missing = match draft.handover().missing.as_slice() {
            [] => String::new(),
            missing => {
                let missing = replies::describe(missing);
                format!(
                    "; it lacks messages that went past the replay queue, and that only its source had: {missing}"
                )
            }
        };
        let message = format!(
            "{source} runs as {} on {}; the queue had no owner for {pause}{missing}",
            target.pod, target.node
        );
        draft.end(Phase::Completed, reason::MIGRATED, message);
    }
}

fn route(draft: &mut Draft<'_>) -> bool {
    if draft.cleanup().routed || seeded_bug::is(SeededBug::SkipRouting) {
        return true;
    }
    if let Some(shadow_uid) = draft.status.target.as_ref().and_then(|target| target.uid.clone()) {
        draft.emit(Effect::RouteServices { shadow_uid });
    }
    false
}

fn remove_source(draft: &mut Draft<'_>) -> bool {
    if draft.cleanup().source_gone {
        return true;
    }
    let uid = draft.source_uid();
    match &draft.seen.source {
        None => draft.wake_after(draft.migration.intervals.retry),
        Some(PodView::Present(pod)) if pod.uid == uid => {
            if !pod.terminating {
                draft.emit(Effect::DeleteSource { uid });
            }
        }
        Some(PodView::Present(_) | PodView::Absent) => {
            let progress = draft.cleanup();
            progress.source_gone = true;
            progress.unlabelled = true;
            return true;
        }
    }
    false
}

fn read_to_the_end(draft: &mut Draft<'_>) -> bool {
    let Some(unbound_at) = draft.cleanup().unbound_at else { return false };
    if draft.cleanup().drained {
        return true;
    }
    let settle = draft.migration.spec.replay.settle.as_duration();
    if !draft.is_due(unbound_at, settle) {
        return false;
    }
    if draft.cleanup().final_round.is_none() {
        switching_over::next_round(draft);
        let round = draft.handover().round;
        draft.cleanup().final_round = Some(round);
    }
    // What is missing may be on its way in Q, which is consumed again.
    let (gap_at, again) = (draft.handover().gap_at, settle.max(draft.migration.intervals.retry));
    if gap_at.is_some_and(|gap_at| draft.is_due(gap_at, again)) {
        switching_over::next_round(draft);
    }
    let drained = shadow::drive(draft) && switching_over::drain(draft);
    if !drained && !draft.is_due(unbound_at, settle + FINAL_READ) {
        return false;
    }
    if !drained && draft.handover().missing.is_empty() {
        let message = "the new owner did not confirm that it read the replay queue to its end; what it lacked is in the \
                       primary queue";
        draft.degraded(reason::LEFT_BEHIND, message.to_owned());
    }
    draft.cleanup().drained = true;
    true
}

fn delete_control_queue(draft: &mut Draft<'_>) -> bool {
    if draft.cleanup().control_deleted {
        return true;
    }
    let pod_uid = draft.source_uid();
    draft.emit(Effect::DeleteControlQueue { pod_uid });
    false
}
