use ms2m_app::contract::CommandBody;

use super::{Draft, Effect};
use crate::{
    api::{ConditionStatus, MirrorStatus, NUMBER_MAX, Phase, SourceStatus, TargetStatus, condition, reason},
    protocol::{Finding, PodView, Rivalry, draft::Probed, names},
};

/// Everything is checked; then the source is asked who it is.
pub(super) fn step(draft: &mut Draft<'_>) {
    if draft.is_due(draft.phase_entered_at(), draft.migration.spec.deadlines.pending.as_duration()) {
        give_up(draft);
    } else if draft.status.source.is_none() {
        check(draft);
    } else {
        probe(draft);
    }
}

fn give_up(draft: &mut Draft<'_>) {
    let (reason, message) = draft
        .status
        .conditions
        .iter()
        .find(|c| c.type_ == condition::READY && c.status == ConditionStatus::False)
        .map_or_else(
            || (reason::SOURCE_NOT_MIGRATABLE.to_owned(), NO_ANSWER.to_owned()),
            |c| (c.reason.clone(), c.message.clone()),
        );
    draft.abort(&reason, message);
}

const NO_ANSWER: &str = "the application does not answer PROBE on its control queue: it must use ms2m-app, or speak docs/app-contract.md";

fn check(draft: &mut Draft<'_>) {
    // What is missing may be there in a moment, such as a consumer that the management API has not counted yet, or in hours.
    let waited = draft.since(draft.phase_entered_at());
    let intervals = draft.migration.intervals;
    draft.wake_after(waited.max(intervals.look_again).min(intervals.look_again_later));
    let Some(preflight) = &draft.seen.preflight else { return };
    if let Some(first) = preflight.findings.first() {
        let message = preflight.findings.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; ");
        draft.set_condition(condition::READY, ConditionStatus::False, first.reason, message);
        return;
    }
    let Some(PodView::Present(pod)) = &draft.seen.source else { return };
    if !pod.running || pod.container_id.is_empty() {
        return;
    }
    for Finding { reason, message } in &preflight.warnings {
        draft.degraded(reason, message.clone());
    }
    let spec = draft.migration.spec;
    draft.status.source = Some(SourceStatus {
        pod: spec.source_pod.clone(),
        uid: pod.uid.clone(),
        node: pod.node.clone(),
        container: preflight.container.clone(),
        container_id: pod.container_id.clone(),
        template_digest: None,
        probe_sent_at: None,
    });
    draft.status.target = Some(TargetStatus {
        node: preflight.target_node.clone(),
        pod: names::shadow_pod(&spec.source_pod),
        ..Default::default()
    });
    draft.status.mirror = Some(MirrorStatus {
        replay_queue: names::replay_queue(&spec.broker.queue, draft.migration.uid),
        bindings: preflight.bindings.clone(),
        ..Default::default()
    });
    let message = "the cluster and the broker allow it; the application is asked".to_owned();
    draft.set_condition(condition::READY, ConditionStatus::Unknown, reason::CHECKING, message);
    probe(draft);
}

fn probe(draft: &mut Draft<'_>) {
    // Who is gone answers nothing, and whoever has taken its place is not the one that was checked.
    if draft.source_life().is_lost() {
        draft.abort(reason::SOURCE_LOST, "the source ended before it was checkpointed".to_owned());
        return;
    }
    if let Some(probed) = draft.probed.clone() {
        if let Err(Finding { reason, message }) = owns(&probed, &draft.migration.spec.broker.queue) {
            draft.set_condition(condition::READY, ConditionStatus::False, reason, message);
            draft.wake_after(draft.migration.intervals.retry);
            return;
        }
        let Some(epoch) = epoch_after(probed.last_epoch) else {
            let message = format!(
                "the source says that it has seen epoch {}, and none is larger: it does not keep to docs/app-contract.md",
                probed.last_epoch
            );
            draft.set_condition(condition::READY, ConditionStatus::False, reason::REPLY_IMPOSSIBLE, message);
            draft.wake_after(draft.migration.intervals.retry);
            return;
        };
        if !goes_first(draft) {
            return;
        }
        if !probed.sequenced {
            let message = "messages carry no x-ms2m-seq: duplicates are detected, gaps are not";
            draft.degraded(reason::MESSAGES_UNSEQUENCED, message.to_owned());
        }
        draft.status.epoch = Some(epoch);
        draft.status.nonce = Some(draft.seen.fresh_nonce.clone());
        let message = "every check passed".to_owned();
        draft.set_condition(condition::READY, ConditionStatus::True, reason::CHECKS_PASSED, message);
        draft.enter(Phase::Mirroring);
        return;
    }
    let sent = draft.status.source.as_ref().and_then(|source| source.probe_sent_at);
    if draft.is_due_again(sent, draft.migration.intervals.probe_again) {
        let source_uid = draft.source_uid();
        draft.emit(Effect::DeclareReplies);
        draft.command(&source_uid, 0, CommandBody::Probe);
    }
}

/// Whether the source owns the queue that is to be mirrored. A marker in any other one would be a message that whoever
/// consumes it cannot read.
fn owns(probed: &Probed, queue: &str) -> Result<(), Finding> {
    let (reason, message) = match probed.queue.as_deref() {
        Some(own) if own != queue => (
            reason::SOURCE_NOT_OWNER,
            format!("the source consumes queue {own}, and not {queue}: spec.broker.queue has to name the one that it consumes"),
        ),
        None => (
            reason::SOURCE_NOT_MIGRATABLE,
            "the source does not say which queue it consumes: it must, see PROBED in docs/app-contract.md"
                .to_owned(),
        ),
        Some(_) if !probed.owner => (
            reason::SOURCE_NOT_OWNER,
            "the source answers, but does not own the queue: another consumer has it, or the source is stopped"
                .to_owned(),
        ),
        Some(_) => return Ok(()),
    };
    Err(Finding { reason, message })
}

/// Whether no other migration has the pod in hand, or is about to: the record of the checks is written, so whoever looks later
/// sees it.
fn goes_first(draft: &mut Draft<'_>) -> bool {
    let busy = |other: &str, what: &str| format!("migration {other} moves the same pod, and {what}");
    match &draft.seen.rivalry {
        Some(Rivalry::Alone) => return true,
        Some(Rivalry::GivesWay(other)) => {
            draft.abort(reason::SOURCE_BUSY, busy(other, "goes first: try again when it is over"));
        }
        Some(Rivalry::Waits(other)) => {
            let message = busy(other, "is waited for");
            draft.set_condition(condition::READY, ConditionStatus::False, reason::SOURCE_BUSY, message);
            draft.wake_after(draft.migration.intervals.retry);
        }
        None => draft.wake_after(draft.migration.intervals.retry),
    }
    false
}

/// The next epoch, if a status can say it.
pub(super) fn epoch_after(epoch: u64) -> Option<u64> {
    epoch.checked_add(1).filter(|epoch| *epoch <= NUMBER_MAX)
}
