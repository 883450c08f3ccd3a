use ms2m_app::contract::{CONTRACT_VERSION, CommandBody, Marker};

use super::{Draft, Effect, shadow, stop};
use crate::{
    api::{Phase, reason},
    protocol::{Life, replies},
};

/// The source stops and the target drains, until the point of no return is recorded.
pub(super) fn step(draft: &mut Draft<'_>) {
    shadow::keep(draft);
    if draft.status.phase != Phase::SwitchingOver
        || draft.status.abort.as_ref().is_some_and(|abort| !abort.refused)
    {
        return;
    }
    if !stop::ensure(draft) || !shadow::drive(draft) || waits_for_routes(draft) {
        return;
    }
    if gap(draft) {
        return;
    }
    if drain(draft) {
        let now = draft.now;
        draft.handover().point_of_no_return = Some(now);
    }
}

/// When nobody knows what the source processed, what it consumed last may still be on its way to `R`.
fn waits_for_routes(draft: &mut Draft<'_>) -> bool {
    let settle = draft.migration.spec.replay.settle.as_duration();
    match (draft.handover().stopped.is_some(), draft.handover().stopped_at) {
        (false, Some(stopped_at)) => !draft.is_due(stopped_at, settle),
        _ => false,
    }
}

/// Asks the current session to drain `R`. True when it has.
pub(super) fn drain(draft: &mut Draft<'_>) -> bool {
    let Some(session) = draft.session() else { return false };
    let handover = draft.handover();
    if handover.round_session.as_ref() != Some(&session) {
        handover.round_session = Some(session.clone());
        handover.round += 1;
        handover.end_sent_at = None;
        handover.gap_at = None;
        handover.asked_again = false;
        handover.missing.clear();
    }
    if handover.drained_session.as_ref() == Some(&session) && handover.drained_round == handover.round {
        return true;
    }
    let (sent, gap) = (handover.end_sent_at, handover.gap_at);
    if gap.is_none() && draft.is_due_again(sent, draft.migration.intervals.end_again) {
        send_end(draft, session);
    }
    false
}

fn send_end(draft: &mut Draft<'_>, session: String) {
    let Some(uid) = draft.status.target.as_ref().and_then(|target| target.uid.clone()) else { return };
    let queue = draft.status.mirror.as_ref().map(|mirror| mirror.replay_queue.clone()).unwrap_or_default();
    let (epoch, migration) = (draft.epoch(), draft.migration.uid.to_owned());
    let (round, ledger) = (draft.handover().round, draft.handover().stopped.clone());
    let marker = Marker::End { version: CONTRACT_VERSION, migration, epoch, session: session.clone(), round };
    // What complete means comes first: an END that is read without it waits.
    draft.command(&uid, epoch, CommandBody::EndReplay { session, ledger });
    draft.emit(Effect::PublishMarker { queue, marker });
}

/// The target is asked to drain `R` once more: what was missing stays on record until it is not.
pub(super) fn next_round(draft: &mut Draft<'_>) {
    let handover = draft.handover();
    handover.round += 1;
    handover.end_sent_at = None;
    handover.gap_at = None;
}

/// A gap may be a message that is still on its way: it is asked about once more. Then it is real. True when there is
/// one.
pub(super) fn gap(draft: &mut Draft<'_>) -> bool {
    let session = draft.session();
    let handover = draft.handover();
    let Some(gap_at) = handover.gap_at.filter(|_| handover.round_session == session) else { return false };
    let missing = replies::describe(&handover.missing);
    let settle = draft.migration.spec.replay.settle.as_duration();
    if !draft.is_due(gap_at, settle) {
        return true;
    }
    if !draft.handover().asked_again {
        draft.handover().asked_again = true;
        next_round(draft);
        return false;
    }
    let message = format!(
        "neither the checkpoint nor the replay queue has messages that the source processed: {missing}"
    );
    match draft.source_life() {
        Life::Alive if !draft.forward_only() && !draft.past_point_of_no_return() => {
            draft.abort(reason::GAP, message);
        }
        Life::Unknown => draft.wake_after(settle),
        _ if !draft.past_point_of_no_return() && draft.ask_again() => {}
        life => {
            let queue =
                draft.status.mirror.as_ref().map(|mirror| mirror.replay_queue.clone()).unwrap_or_default();
            let rest = if life == Life::Alive {
                "the source is stopped, and its RAM has them"
            } else {
                "the source is gone, so they cannot be had from it"
            };
            let message = format!(
                "{message}; {rest}. The shadow pod holds everything else and does not consume; queue {queue} is kept. \
                 Publish them again and take over by hand, or start anew"
            );
            draft.end(Phase::Failed, reason::GAP, message);
        }
    }
    true
}
