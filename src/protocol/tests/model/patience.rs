//! How long is waited: not longer than the spec says, and not shorter.

use proptest::prelude::*;

use super::rules::{Turn, Verdict, ms, passed};
use crate::{
    api::{Abort, OnDeadline, Phase, StatefulMigrationStatus, reason},
    protocol::PodView,
};

/// How long a source may take to show its nonce.
const PROOF_MS: i128 = 10_000;
/// How many measurements without progress are a trend.
const TREND: u32 = 8;

impl Turn<'_> {
    pub(super) fn patience(&self) -> Verdict {
        self.does_not_outwait()?;
        self.waits_out()?;
        self.waits_for_proof()
    }

    /// How long a phase may take, before the point of no return.
    fn deadline_ms(&self, phase: Phase) -> Option<i128> {
        let deadlines = &self.spec.deadlines;
        let span = match phase {
            Phase::Pending => deadlines.pending,
            Phase::Mirroring => deadlines.mirroring,
            Phase::Checkpointing => deadlines.checkpointing,
            Phase::Transferring => deadlines.transferring,
            Phase::Restoring => deadlines.restoring,
            Phase::Replaying => self.spec.replay.deadline,
            Phase::SwitchingOver => deadlines.switching_over,
            Phase::Completed | Phase::RollingBack | Phase::RolledBack | Phase::Failed => return None,
        };
        Some(span.as_millis().into())
    }

    /// How long a checkpoint may be under way of which nobody hears.
    pub(super) fn checkpoint_ms(&self) -> i128 {
        let told_ms: i128 = self.spec.deadlines.checkpointing.as_millis().into();
        told_ms.max(120_000) + 5_000
    }

    /// A phase that has taken too long is left, or it is decided to.
    fn does_not_outwait(&self) -> Verdict {
        let status = &self.decision.status;
        let stays = self.before.phase == status.phase && status.abort.is_none() && !passed(status);
        let Some(deadline_ms) = self.deadline_ms(status.phase).filter(|_| stays) else { return Ok(()) };
        let since = entered(status, status.phase).map_or(0, |at| ms(at, self.now));
        prop_assert!(since < deadline_ms, "{:?} takes {} ms already", status.phase, since);
        Ok(())
    }

    /// What is given up for having taken too long has.
    fn waits_out(&self) -> Verdict {
        let status = &self.decision.status;
        let Some(abort) = status.abort.as_ref().filter(|_| self.before.abort.is_none()) else {
            return Ok(());
        };
        let through = self.through();
        let Some(phase) = through.iter().copied().rfind(|phase| *phase < Phase::Completed) else {
            return Ok(());
        };
        let timed = match abort.reason.as_str() {
            reason::DEADLINE_EXCEEDED => true,
            reason::REPLAY_DEADLINE_EXCEEDED => {
                prop_assert_eq!(phase, Phase::Replaying);
                let reads = status.target.as_ref().is_some_and(|target| target.replay_started);
                let rolls_back = self.spec.replay.on_deadline == OnDeadline::Rollback;
                prop_assert!(rolls_back || !reads, "the target reads, and is to be handed over to");
                let stalled = status.replay.as_ref().is_some_and(|replay| replay.stalled >= TREND);
                !(rolls_back && stalled)
            }
            reason::SOURCE_NOT_MIGRATABLE | reason::SOURCE_NOT_OWNER | reason::REPLY_IMPOSSIBLE => {
                prop_assert_eq!(phase, Phase::Pending);
                true
            }
            _ => false,
        };
        let since = entered(status, phase).map_or(0, |at| ms(at, self.now));
        let deadline_ms = self.deadline_ms(phase).unwrap_or_default();
        prop_assert!(!timed || since >= deadline_ms, "{:?} was given up after {} ms", phase, since);
        Ok(())
    }

    pub(super) fn is_newly_refused(&self) -> bool {
        let refused =
            |status: &StatefulMigrationStatus| status.abort.as_ref().is_some_and(|abort| abort.refused);
        refused(&self.decision.status) && !refused(self.before)
    }

    /// A source is asked for its proof for as long as that takes, unless it is known to have none.
    fn waits_for_proof(&self) -> Verdict {
        let Some(abort) = &self.decision.status.abort else { return Ok(()) };
        let Abort { proven, refused, silent, .. } = abort;
        let listens = self.witness.asked.zip(self.seen.listening_since);
        let waited = listens.map_or(0, |(asked, listening)| ms(asked.max(listening), self.now));
        // Left behind, and asked once more in the same turn, because there is no way forward.
        let is_waiting = |abort: &Abort| abort.asked_at.is_some() && !abort.refused;
        let waited_before = self.before.abort.as_ref().is_some_and(is_waiting);
        let asked_again = waited_before && *silent && !*refused && abort.asked_at.is_none();
        let goes_on = *proven || *refused || asked_again;
        prop_assert!(goes_on || waited < PROOF_MS, "it is waited for a proof for {} ms", waited);
        if (self.is_newly_refused() && *silent) || asked_again {
            prop_assert!(waited >= PROOF_MS, "the source had {} ms for its proof", waited);
            prop_assert!(self.witness.probed.is_none(), "the source answered");
        }
        if self.is_newly_refused() && !silent {
            let shown = self.witness.probed.as_ref().map(|(_, nonce, _)| nonce.clone());
            let another = shown.is_some_and(|nonce| nonce.is_none() || nonce != self.before.nonce);
            prop_assert!(another || self.source_has_lost_its_ram(), "the source may show its nonce yet");
        }
        Ok(())
    }

    /// The process that was checkpointed is seen to be gone.
    fn source_has_lost_its_ram(&self) -> bool {
        let Some(source) = &self.before.source else { return false };
        match &self.seen.source {
            None => false,
            Some(PodView::Absent) => true,
            Some(PodView::Present(pod)) => {
                let runs = pod.running && !pod.ended;
                !runs || (&pod.uid, &pod.container_id) != (&source.uid, &source.container_id)
            }
        }
    }
}

/// When that phase was entered last.
fn entered(status: &StatefulMigrationStatus, phase: Phase) -> Option<jiff::Timestamp> {
    status.phase_transitions.iter().rev().find(|transition| transition.phase == phase).map(|entry| entry.at)
}
