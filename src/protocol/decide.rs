use std::time::Duration;

use jiff::Timestamp;
use ms2m_app::contract::CommandBody;

use super::{Decision, Migration, Observation, draft::Draft, outcomes, phase, replies};
use crate::api::{Phase, reason};

/// How long the source may take to prove itself, once it was asked, before the migration rolls forward without it.
const PROOF_PATIENCE: Duration = Duration::from_secs(10);

/// Decides what is done next. Total, deterministic, and without a panic, whatever was observed.
pub fn decide(migration: &Migration<'_>, seen: &Observation, now: Timestamp) -> Decision {
    let mut draft = Draft::new(*migration, seen, now);
    replies::absorb(&mut draft);
    outcomes::absorb(&mut draft);
    if seen.deletion_requested {
        draft.abort(reason::CANCELLED, "the object was deleted".to_owned());
    }
    // One write may pass through several phases: each step either stays or goes one edge further.
    loop {
        let phase = draft.status.phase;
        let passed = draft.past_point_of_no_return();
        if !prove(&mut draft) {
            phase::step(&mut draft);
            phase::watch_replay_queue(&mut draft);
            phase::watch_deadline(&mut draft);
        }
        if draft.status.phase == phase && draft.past_point_of_no_return() == passed {
            break;
        }
    }
    draft.finish()
}

/// While a roll-back waits for the source's proof nothing else moves. True when it waits.
fn prove(draft: &mut Draft<'_>) -> bool {
    let Some(abort) = draft.status.abort.clone().filter(|abort| !abort.proven && !abort.refused) else {
        return false;
    };
    let ours = draft.status.nonce.clone();
    let silent = draft.probed.is_none() && !draft.source_life().is_lost();
    let verdict = match draft.probed.clone() {
        Some(probed) => Some(probed.nonce.is_some() && probed.nonce == ours),
        None if !silent => Some(false),
        None if abort.asked_at.is_some_and(|asked| draft.is_silent(asked, PROOF_PATIENCE)) => Some(false),
        None => None,
    };
    match verdict {
        Some(true) => {
            draft.status.abort = Some(crate::api::Abort { proven: true, ..abort });
            draft.enter(Phase::RollingBack);
            false
        }
        Some(false) => {
            let message = format!(
                "the source cannot show the checkpointed RAM any more, so the migration goes forward: {}",
                abort.message
            );
            draft.degraded(&abort.reason, message);
            draft.status.abort = Some(crate::api::Abort { refused: true, silent, ..abort });
            false
        }
        None => {
            let sent = draft.status.source.as_ref().and_then(|source| source.probe_sent_at);
            if abort.asked_at.is_none() || draft.is_due_again(sent, draft.migration.intervals.retry) {
                let (uid, epoch) = (draft.source_uid(), draft.epoch());
                draft.command(&uid, epoch, CommandBody::Probe);
            }
            true
        }
    }
}
