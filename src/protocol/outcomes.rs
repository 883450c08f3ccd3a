//! What the outcome of an effect changes.

use ms2m_app::contract::{CommandBody, Marker};

use super::{
    Effect, EffectFailure, EffectReport, Life,
    draft::Draft,
    phase::{checkpoint_not_written, checkpoint_written, cleanup_refused},
};
use crate::api::{ConditionStatus, Phase, condition};

/// Takes in how the effects of the last decision went.
pub(super) fn absorb(draft: &mut Draft<'_>) {
    let seen = draft.seen;
    for outcome in &seen.outcomes {
        match &outcome.result {
            Ok(report) => done(draft, &outcome.effect, report),
            Err(failure) => failed(draft, &outcome.effect, failure),
        }
    }
}

fn done(draft: &mut Draft<'_>, effect: &Effect, report: &EffectReport) {
    let now = draft.now;
    match effect {
        Effect::MirrorReplay { .. } => {
            if let Some(mirror) = &mut draft.status.mirror {
                mirror.bound_at.get_or_insert(now);
            }
        }
        Effect::PublishMarker { marker: Marker::Sync { nonce, .. }, .. } => {
            if draft.status.nonce.as_deref() == Some(nonce)
                && let Some(mirror) = &mut draft.status.mirror
            {
                mirror.sync_sent_at = Some(now);
            }
        }
        Effect::PublishMarker { marker: Marker::End { session, round, .. }, .. } => {
            let handover = draft.handover();
            if handover.round_session.as_deref() == Some(session) && handover.round == *round {
                handover.end_sent_at = Some(now);
            }
        }
        Effect::Command { body, .. } => commanded(draft, body),
        Effect::Checkpoint { .. } => {
            if let EffectReport::Archive { path } = report {
                checkpoint_written(draft.status.checkpoint.get_or_insert_default(), path);
            }
        }
        Effect::UnbindReplay { .. } => {
            draft.cleanup().unbound_at.get_or_insert(now);
        }
        Effect::DeleteReplay { .. } => draft.cleanup().replay_deleted = true,
        Effect::DeleteReplies => draft.cleanup().replies_deleted = true,
        Effect::DeleteControlQueue { pod_uid } => forget_control_queue(draft, pod_uid),
        Effect::RouteServices { shadow_uid } => {
            let current = draft.status.target.as_ref().and_then(|target| target.uid.clone());
            draft.cleanup().routed = current.as_ref() == Some(shadow_uid);
        }
        Effect::CreateCleanupJob { .. } => draft.cleanup().cleanup_job_refused_at = None,
        Effect::LabelSource => {
            if let (EffectReport::Template { digest }, Some(source)) = (report, &mut draft.status.source) {
                source.template_digest = Some(digest.clone());
            }
        }
        Effect::UnlabelSource => draft.cleanup().unlabelled = true,
        // What these changed is seen in the world.
        Effect::DeclareReplies
        | Effect::CreateTransferJob { .. }
        | Effect::DeleteTransferJob
        | Effect::DeleteCleanupJob
        | Effect::CreateShadow { .. }
        | Effect::DeleteShadow { .. }
        | Effect::DeleteSource { .. }
        | Effect::RemoveFinalizer => {}
    }
}

fn forget_control_queue(draft: &mut Draft<'_>, pod_uid: &String) {
    let retired = draft.status.target.as_mut().map(|target| &mut target.retired);
    match retired {
        Some(retired) if retired.contains(pod_uid) => retired.retain(|uid| uid != pod_uid),
        _ => draft.cleanup().control_deleted = true,
    }
}

fn commanded(draft: &mut Draft<'_>, body: &CommandBody) {
    let now = draft.now;
    let current = draft.session();
    match body {
        CommandBody::Probe => {
            if let Some(source) = &mut draft.status.source {
                source.probe_sent_at = Some(now);
            }
            asked(draft);
        }
        CommandBody::StartReplay { session, .. } => {
            if let Some(target) = &mut draft.status.target
                && current.as_ref() == Some(session)
            {
                target.start_replay_sent_at = Some(now);
            }
        }
        CommandBody::Stop => {
            let handover = draft.handover();
            handover.stop_first_sent_at.get_or_insert(now);
            handover.stop_sent_at = Some(now);
        }
        CommandBody::Resume => draft.cleanup().resume_sent_at = Some(now),
        CommandBody::TakeOver { session } => {
            if current.as_ref() == Some(session) {
                draft.handover().take_over_sent_at = Some(now);
            }
        }
        // The END marker's own time is what is waited for.
        CommandBody::EndReplay { .. } => {}
    }
}

/// The source was asked for its proof, or could not be: from then on it is waited for.
fn asked(draft: &mut Draft<'_>) {
    let now = draft.now;
    if let Some(abort) = &mut draft.status.abort {
        abort.asked_at.get_or_insert(now);
    }
}

fn failed(draft: &mut Draft<'_>, effect: &Effect, failure: &EffectFailure) {
    draft.wake_after(draft.migration.intervals.retry);
    if let Effect::Checkpoint { .. } = effect {
        checkpoint_not_written(draft, failure);
    }
    if let Effect::CreateCleanupJob { .. } = effect
        && !failure.retryable
    {
        cleanup_refused(draft, failure);
    }
    if let Effect::Command { body: CommandBody::Probe, .. } = effect {
        asked(draft);
    }
    if let Effect::Command { body: CommandBody::Stop, .. } = effect
        && draft.source_life() == Life::PodGone
    {
        // Its control queue went with the pod: there is nobody left who could obey, and nobody to wait for.
        commanded(draft, &CommandBody::Stop);
        return;
    }
    // Undoing and finishing are tried until they work: what cannot be retried there is reported, not given up.
    let undoes = draft.status.phase == Phase::RollingBack || draft.past_point_of_no_return();
    if failure.retryable || undoes || matches!(effect, Effect::Command { .. }) {
        let message = format!("retrying: {}", failure.message);
        draft.set_condition(condition::PROGRESSING, ConditionStatus::True, failure.reason, message);
    } else if !draft.status.phase.is_terminal() {
        draft.abort(failure.reason, failure.message.clone());
    }
}
