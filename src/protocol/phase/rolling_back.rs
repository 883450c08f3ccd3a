use ms2m_app::seeded_bug::{self, SeededBug};
use std::time::Duration;

use ms2m_app::contract::CommandBody;

use super::{Draft, Effect, checkpointing, shadow};
use crate::{
    api::{Phase, reason},
    protocol::{EffectFailure, JobView, Life, PodView, names},
};

/// How long a source that is being deleted is waited for; its node may never come back to confirm it.
const SOURCE_PATIENCE: Duration = Duration::from_mins(2);
/// How long the clean-up Job may take, or may be refused, before what it should have deleted is reported instead.
const CLEANUP_PATIENCE: Duration = Duration::from_mins(2);

/// Undoes what was done, in reverse; every step may be repeated.
pub(super) fn step(draft: &mut Draft<'_>) {
    let done = remove_shadow(draft)
        && unbind(draft)
        && delete_replay(draft)
        && resume_source(draft)
        && delete_job(draft)
        && delete_checkpoint(draft, false)
        && delete_control_queue(draft)
        && unlabel(draft)
        && source_is_settled(draft)
        && delete_retired(draft)
        && delete_replies(draft);
    if done {
        conclude(draft);
    }
}

fn conclude(draft: &mut Draft<'_>) {
    let (reason, why) = draft.status.abort.as_ref().map_or_else(
        || (reason::CANCELLED.to_owned(), String::new()),
        |a| (a.reason.clone(), a.message.clone()),
    );
    match (draft.status.source.is_some(), draft.source_life()) {
        (true, Life::Unknown) => draft.wake_after(draft.migration.intervals.retry),
        (true, Life::RamLost | Life::PodGone) => {
            let message = format!(
                "{why}; the source's RAM is gone and no checkpoint of it is left. What it had not acked is in its queue"
            );
            draft.end(Phase::Failed, &reason, message);
        }
        (true, Life::Alive) | (false, _) => {
            let message = format!("{why}; the source owns its queue as before");
            draft.end(Phase::RolledBack, &reason, message);
        }
    }
}

fn remove_shadow(draft: &mut Draft<'_>) -> bool {
    if draft.cleanup().shadow_gone {
        return true;
    }
    match &draft.seen.shadow {
        None => draft.wake_after(draft.migration.intervals.retry),
        // Somebody else's pod of that name is none of ours.
        Some(PodView::Present(pod)) if pod.labelled => {
            let (uid, terminating) = (pod.uid.clone(), pod.terminating);
            // It may be another than the last that was seen: both have control queues.
            shadow::note(draft, &uid);
            if !terminating {
                draft.emit(Effect::DeleteShadow { uid });
            }
        }
        Some(PodView::Present(_) | PodView::Absent) => {
            draft.cleanup().shadow_gone = true;
            return true;
        }
    }
    false
}

/// `R` loses its bindings. Only after the shadow, or the source, is verifiably gone.
pub(super) fn unbind(draft: &mut Draft<'_>) -> bool {
    let Some(mirror) = draft.status.mirror.clone().filter(|_| draft.status.epoch.is_some()) else {
        return true;
    };
    if draft.cleanup().unbound_at.is_some()
        || (seeded_bug::is(SeededBug::LeaveReplayBound) && draft.status.phase == Phase::RollingBack)
    {
        return true;
    }
    draft.emit(Effect::UnbindReplay { replay_queue: mirror.replay_queue, bindings: mirror.bindings });
    false
}

/// `R` is deleted.
pub(super) fn delete_replay(draft: &mut Draft<'_>) -> bool {
    let Some(mirror) = draft.status.mirror.clone().filter(|_| draft.status.epoch.is_some()) else {
        return true;
    };
    if draft.cleanup().replay_deleted
        || (seeded_bug::is(SeededBug::LeaveReplayBound) && draft.status.phase == Phase::RollingBack)
    {
        return true;
    }
    draft.emit(Effect::DeleteReplay { replay_queue: mirror.replay_queue });
    false
}

fn resume_source(draft: &mut Draft<'_>) -> bool {
    // STOP is sent only after SwitchingOver was recorded.
    let forgets = seeded_bug::is(SeededBug::ForgetResume);
    if forgets || draft.status.handover.is_none() || draft.cleanup().resumed {
        return true;
    }
    if draft.source_life() == Life::PodGone {
        return true;
    }
    let sent = draft.cleanup().resume_sent_at;
    if draft.is_due_again(sent, draft.migration.intervals.resume_again) {
        let (uid, epoch) = (draft.source_uid(), draft.epoch());
        draft.command(&uid, epoch, CommandBody::Resume);
    }
    false
}

/// The transfer Job is deleted, and verifiably gone.
pub(super) fn delete_job(draft: &mut Draft<'_>) -> bool {
    let started = draft.status.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.archive.is_some());
    if !started || draft.cleanup().job_gone {
        return true;
    }
    match &draft.seen.transfer_job {
        None => draft.wake_after(draft.migration.intervals.retry),
        Some(JobView::Terminating) => {}
        Some(JobView::Absent) => {
            draft.cleanup().job_gone = true;
            return true;
        }
        Some(_) => draft.emit(Effect::DeleteTransferJob),
    }
    false
}

/// Archive and image are deleted by a Job on the source's node, which is then deleted itself. `retain` keeps the image.
pub(super) fn delete_checkpoint(draft: &mut Draft<'_>, retain: bool) -> bool {
    let made = draft.status.checkpoint.clone();
    let Some(checkpoint) = made.filter(|_| !seeded_bug::is(SeededBug::LeaveCheckpoint)) else { return true };
    let settled = draft.cleanup().checkpoint_gone || draft.cleanup().checkpoint_left.is_some();
    match draft.seen.cleanup_job.clone() {
        _ if settled && draft.cleanup().cleanup_job_gone => return true,
        None => draft.wake_after(draft.migration.intervals.retry),
        Some(JobView::Absent) if settled => {
            draft.cleanup().cleanup_job_gone = true;
            return true;
        }
        Some(JobView::Absent) => {
            let Some(source) = draft.status.source.clone() else { return true };
            if !checkpointing::none_is_under_way(draft) {
                return false;
            }
            let pushed = checkpoint.archive.is_some();
            draft.emit(Effect::CreateCleanupJob {
                node: source.node,
                container_id: source.container_id,
                by_tag: pushed && checkpoint.image.is_none(),
                image: checkpoint.image.filter(|_| !retain),
            });
        }
        Some(JobView::Terminating) => {}
        Some(_) if settled => draft.emit(Effect::DeleteCleanupJob),
        Some(JobView::Succeeded { .. }) => {
            draft.cleanup().checkpoint_gone = true;
            draft.emit(Effect::DeleteCleanupJob);
        }
        Some(JobView::Failed { reason: word, message }) => {
            leave_checkpoint(draft, &format!("{word}: {message}"), retain);
        }
        Some(JobView::Running) => {
            let now = draft.now;
            let started = *draft.cleanup().cleanup_job_seen_at.get_or_insert(now);
            if draft.is_due(started, CLEANUP_PATIENCE) {
                let why = "the clean-up Job does not end; is the source's node ready, and are the Job's pods admitted?";
                leave_checkpoint(draft, why, retain);
            }
        }
    }
    false
}

/// The clean-up Job may not be made, as where a policy forbids what it mounts: that is waited for as long as for the Job itself.
pub(in crate::protocol) fn cleanup_refused(draft: &mut Draft<'_>, failure: &EffectFailure) {
    let now = draft.now;
    let since = *draft.cleanup().cleanup_job_refused_at.get_or_insert(now);
    if draft.is_due(since, CLEANUP_PATIENCE) {
        let keeps = draft.status.phase != Phase::RollingBack && draft.migration.spec.retain_checkpoint;
        leave_checkpoint(draft, &failure.message, keeps);
    }
}

/// Says what a person has to remove: of the image only where it is not to be kept, of the archives all that there may be, because
/// of one whose answer was lost nobody knows the name.
fn leave_checkpoint(draft: &mut Draft<'_>, why: &str, retain: bool) {
    let checkpoint = draft.status.checkpoint.clone().unwrap_or_default();
    let source = draft.status.source.clone().unwrap_or_default();
    let known = match &checkpoint.archive {
        Some(archive) => format!(", {archive} among them"),
        None => String::new(),
    };
    let (container, node) = (&source.container_id, &source.node);
    let archives = format!("the checkpoint archives of container {container} on node {node}{known}");
    // A push that nobody heard the end of may have stored it.
    let repository = &draft.migration.spec.transfer.repository;
    let unheard = || format!("image {repository}:{}, if there is one", names::image_tag(draft.migration.uid));
    let image = match checkpoint.image.map(|image| format!("image {image}")) {
        _ if retain => None,
        None => checkpoint.archive.is_some().then(unheard),
        known => known,
    };
    let and_image = image.map(|image| format!(", and {image}")).unwrap_or_default();
    let message = format!(
        "checkpoint not deleted ({why}): it holds the process's memory, so remove {archives}{and_image}"
    );
    draft.cleanup().checkpoint_left = Some(message.clone());
    draft.degraded(reason::LEFT_BEHIND, message);
    draft.emit(Effect::DeleteCleanupJob);
}

fn delete_control_queue(draft: &mut Draft<'_>) -> bool {
    let Some(pod_uid) = draft.status.target.as_ref().and_then(|target| target.uid.clone()) else {
        return true;
    };
    if draft.cleanup().control_deleted {
        return true;
    }
    draft.emit(Effect::DeleteControlQueue { pod_uid });
    false
}

/// The control queues of shadows that were replaced.
pub(super) fn delete_retired(draft: &mut Draft<'_>) -> bool {
    let retired = draft.status.target.as_ref().map(|target| target.retired.clone()).unwrap_or_default();
    let none_left = retired.is_empty() || seeded_bug::is(SeededBug::ForgetRetired);
    if none_left {
        return true;
    }
    for pod_uid in retired {
        draft.emit(Effect::DeleteControlQueue { pod_uid });
    }
    none_left
}

fn unlabel(draft: &mut Draft<'_>) -> bool {
    let forgets = seeded_bug::is(SeededBug::ForgetUnlabel);
    if forgets || draft.status.source.is_none() || draft.cleanup().unlabelled {
        return true;
    }
    draft.emit(Effect::UnlabelSource);
    false
}

/// A source that somebody is deleting will not own its queue: it is waited for. Once it is gone, so is whoever would
/// delete its control queue.
fn source_is_settled(draft: &mut Draft<'_>) -> bool {
    let Some(source) = draft.status.source.clone() else { return true };
    match &draft.seen.source {
        None => {
            draft.wake_after(draft.migration.intervals.retry);
            return false;
        }
        Some(PodView::Present(pod)) if pod.uid == source.uid && pod.terminating => {
            draft.wake_after(draft.migration.intervals.retry);
            return draft.is_due(draft.phase_entered_at(), SOURCE_PATIENCE);
        }
        Some(PodView::Present(_) | PodView::Absent) => {}
    }
    if draft.source_life() == Life::PodGone && !draft.cleanup().source_gone {
        draft.cleanup().source_gone = true;
        if let Some(target) = &mut draft.status.target {
            target.retired.push(source.uid);
        }
    }
    true
}

/// The replies queue is deleted, once nobody has anything left to say.
pub(super) fn delete_replies(draft: &mut Draft<'_>) -> bool {
    if draft.status.source.is_none() || draft.cleanup().replies_deleted {
        return true;
    }
    draft.emit(Effect::DeleteReplies);
    false
}
