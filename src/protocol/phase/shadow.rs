use ms2m_app::seeded_bug::{self, SeededBug};
use std::time::Duration;

use ms2m_app::contract::CommandBody;

use super::{Draft, Effect};
use crate::{
    api::{Phase, reason},
    protocol::{PodView, table},
};

/// How many shadows a migration that cannot go back may use before a person is asked.
const INCARNATIONS_MAX: u32 = 10;

/// How long after one shadow was first seen the next comes, at most.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Keeps a shadow pod there: creates it, notes who it is, and replaces one that ended or came up without the RAM.
///
/// The pod never restarts by itself: the kubelet would restore the old checkpoint behind our back.
pub(super) fn keep(draft: &mut Draft<'_>) {
    match &draft.seen.shadow {
        None => draft.wake_after(draft.migration.intervals.retry),
        Some(PodView::Absent) => create(draft),
        Some(PodView::Present(pod)) => {
            note(draft, &pod.uid);
            if pod.terminating {
                return;
            }
            if draft.restored_fresh {
                fresh(draft, &pod.uid);
            } else if pod.ended && !seeded_bug::is(SeededBug::AbandonShadow) {
                draft.emit(Effect::DeleteShadow { uid: pod.uid.clone() });
            }
        }
    }
}

/// A pod that was not known before is another incarnation, with nothing of the last one's progress.
pub(in crate::protocol) fn note(draft: &mut Draft<'_>, uid: &str) {
    if let Some(target) = &mut draft.status.target
        && target.uid.as_deref() != Some(uid)
    {
        target.retired.extend(target.uid.replace(uid.to_owned()));
        target.retired.retain(|retired| retired != uid);
        target.incarnations += 1;
        target.seen_at = Some(draft.now);
        target.session = None;
        target.past_sessions.clear();
        target.start_replay_sent_at = None;
        target.replay_started = false;
        if let Some(cleanup) = &mut draft.status.cleanup {
            cleanup.routed = false;
        }
    }
}

/// A copy that is not the pod that is seen may be gone before it is: then its control queue is all that is left of it, and
/// nobody else knows of that.
pub(in crate::protocol) fn retire(draft: &mut Draft<'_>, uid: &str) {
    let is_source = draft.status.source.as_ref().is_some_and(|source| source.uid == uid);
    if let Some(target) = &mut draft.status.target
        && !is_source
        && target.uid.as_deref() != Some(uid)
        && target.retired.iter().all(|retired| retired != uid)
    {
        target.retired.push(uid.to_owned());
    }
}

fn create(draft: &mut Draft<'_>) {
    let (Some(target), Some(image)) =
        (draft.status.target.clone(), draft.status.checkpoint.as_ref().and_then(|c| c.image.clone()))
    else {
        return;
    };
    let allowed = (table::row(Phase::Restoring).attempts)(&draft.migration.spec.attempts);
    let limit = if draft.forward_only() { INCARNATIONS_MAX } else { allowed };
    if target.incarnations >= limit && !draft.past_point_of_no_return() && !draft.ask_again() {
        give_up(draft, target.incarnations);
        return;
    }
    let pause = pause_after(target.incarnations);
    if target.seen_at.is_none_or(|seen| draft.is_due(seen, pause)) {
        draft.emit(Effect::CreateShadow { node: target.node, image });
    }
}

/// Twice as long after every shadow that did not come up: what keeps them from it may need a person to mend it, and ten
/// attempts in a few seconds would not wait for one.
fn pause_after(incarnations: u32) -> Duration {
    let doubled = 2_u64.saturating_pow(incarnations.saturating_sub(1));
    Duration::from_secs(doubled).min(PAUSE_MAX)
}

fn give_up(draft: &mut Draft<'_>, incarnations: u32) {
    let message = format!("{incarnations} shadow pods ended before they took part");
    if draft.forward_only() {
        let image = draft.status.checkpoint.as_ref().and_then(|c| c.image.clone()).unwrap_or_default();
        let queue = draft.status.mirror.as_ref().map(|m| m.replay_queue.clone()).unwrap_or_default();
        let message = format!(
            "{message}, and the source's RAM is gone; the state is in image {image}, what it lacks is in queue {queue}: \
             restore it by hand, or delete both"
        );
        draft.end(Phase::Failed, reason::RESTORE_FAILED, message);
    } else {
        draft.abort(reason::RESTORE_FAILED, message);
    }
}

fn fresh(draft: &mut Draft<'_>, uid: &str) {
    let message =
        "the shadow pod started fresh, without the source's RAM: the target node's runtime does not restore \
                   checkpoint images; see docs/operations.md for what it needs"
            .to_owned();
    draft.degraded(reason::RESTORED_FRESH, message.clone());
    if draft.past_point_of_no_return() || draft.forward_only() {
        draft.emit(Effect::DeleteShadow { uid: uid.to_owned() });
    } else {
        draft.abort(reason::RESTORED_FRESH, message);
    }
}

/// Makes the current session read `R`. True when it does.
pub(super) fn drive(draft: &mut Draft<'_>) -> bool {
    let Some(target) = draft.status.target.clone() else { return false };
    let (Some(uid), Some(session)) = (target.uid, target.session) else { return false };
    if target.replay_started {
        return true;
    }
    if draft.is_due_again(target.start_replay_sent_at, draft.migration.intervals.start_again) {
        let replay_queue =
            draft.status.mirror.as_ref().map(|mirror| mirror.replay_queue.clone()).unwrap_or_default();
        let epoch = draft.epoch();
        draft.command(&uid, epoch, CommandBody::StartReplay { session, replay_queue });
    }
    false
}
