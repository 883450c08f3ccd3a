//! What the target lacks: it is told, asked about again, taken back when it comes, and named when it does not.

use ms2m_app::contract::MissingMessages;
use proptest::prelude::*;

use super::rules::{Turn, Verdict, ms, session};
use crate::api::{
    CleanupProgress, ConditionStatus, HandoverStatus, Phase, StatefulMigrationStatus, condition, reason,
};

/// How long the new owner is asked, after the routes have settled, for what it lacks.
const FINAL_READ_MS: i128 = 30_000;
/// How soon a gap is asked about again.
const AGAIN_MS: i128 = 1_000;

/// Whether the one condition that tells of trouble tells of a gap.
fn tells_of_a_gap(status: &StatefulMigrationStatus) -> bool {
    status.conditions.iter().any(|condition| {
        condition.type_ == condition::DEGRADED
            && condition.status == ConditionStatus::True
            && condition.reason == reason::GAP
    })
}

fn handover(status: &StatefulMigrationStatus) -> HandoverStatus {
    status.handover.clone().unwrap_or_default()
}

fn cleanup(status: &StatefulMigrationStatus) -> CleanupProgress {
    status.cleanup.clone().unwrap_or_default()
}

impl Turn<'_> {
    pub(super) fn gaps(&self) -> Verdict {
        self.says_what_is_wrong()?;
        self.takes_back()?;
        self.asks_again()?;
        self.reads_to_the_end()?;
        self.names_what_is_missing()
    }

    /// A gap is never silent: it is told at once, or on record, where it decides how the migration ends. An application's
    /// `ERROR` may take the one condition that tells of it.
    fn says_what_is_wrong(&self) -> Verdict {
        let status = &self.decision.status;
        let said = status.conditions.iter().any(|condition| {
            condition.type_ == condition::DEGRADED
                && condition.status == ConditionStatus::True
                && [reason::GAP, reason::LEFT_BEHIND].contains(&condition.reason.as_str())
        });
        let over = status.phase.is_terminal() || status.abort.is_some();
        let recorded = status.handover.as_ref().is_some_and(|handover| handover.gap_at.is_some());
        let known = said || recorded || over;
        prop_assert!(!self.witness.gap_now || known, "a gap was heard, and nobody is told");
        Ok(())
    }

    /// A gap that closed is no trouble any more, in the condition or on record.
    fn takes_back(&self) -> Verdict {
        let (before, status) = (self.before, &self.decision.status);
        let Some((drained, _)) = &self.witness.complete_now else { return Ok(()) };
        let speaks = |status| session(status).as_ref() == Some(drained);
        if !speaks(before) || !speaks(status) || self.is_newly_refused() {
            return Ok(());
        }
        prop_assert!(!tells_of_a_gap(status), "the gap is closed, and still told of");
        let HandoverStatus { gap_at, missing, .. } = handover(status);
        prop_assert_eq!((gap_at, missing), (None, Vec::new()), "the gap is closed, and still on record");
        Ok(())
    }

    /// In the final read a gap does not stand: what is missing may come by the primary queue.
    fn asks_again(&self) -> Verdict {
        let (before, status) = (self.before, &self.decision.status);
        let Some(gap_at) = handover(before).gap_at else { return Ok(()) };
        let reads = |status| cleanup(status).final_round.is_some() && cleanup(status).routed;
        let same_reader =
            session(before) == session(status) && handover(before).round_session == session(before);
        let over = cleanup(status).drained || status.phase.is_terminal();
        // A clock that went back makes it wait once more until nothing can come into R.
        let settled = self.witness.unbound.map(|at| ms(at, self.now)) >= Some(self.settle_ms());
        if !reads(before) || !reads(status) || !same_reader || over || cleanup(before).drained || !settled {
            return Ok(());
        }
        let again_ms = self.settle_ms().max(AGAIN_MS);
        let stands = handover(status).gap_at == Some(gap_at);
        prop_assert!(!stands || ms(gap_at, self.now) < again_ms, "nobody asks about the gap again");
        Ok(())
    }

    /// The replay queue is read to its end after nothing comes into it any more, or for long enough.
    fn reads_to_the_end(&self) -> Verdict {
        let (before, status) = (cleanup(self.before), cleanup(&self.decision.status));
        let unbound_ms = self.witness.unbound.map(|at| ms(at, self.now));
        let heard = |last: u32| self.witness.drained.keys().all(|(_, round)| *round < last);
        if let (None, Some(last)) = (before.final_round, status.final_round) {
            prop_assert!(unbound_ms >= Some(self.settle_ms()), "messages may still come into R");
            prop_assert!(!self.honest || heard(last), "it was answered before it was asked");
        }
        if before.drained || !status.drained {
            return Ok(());
        }
        let session = session(&self.decision.status);
        let answered =
            |(by, round): &(String, u32)| Some(by) == session.as_ref() && Some(*round) >= status.final_round;
        let confirmed = status.final_round.is_some() && self.witness.drained.keys().any(answered);
        let waited = unbound_ms >= Some(self.settle_ms() + FINAL_READ_MS);
        prop_assert!(confirmed || waited, "the new owner did not confirm it, and was not waited for");
        Ok(())
    }

    /// A migration that completes names what its state lacks, and nothing else.
    fn names_what_is_missing(&self) -> Verdict {
        let status = &self.decision.status;
        if !self.honest || status.phase != Phase::Completed || self.before.phase == Phase::Completed {
            return Ok(());
        }
        let said = status.outcome.as_ref().map(|outcome| outcome.message.clone()).unwrap_or_default();
        let reader = handover(status).round_session;
        let lacking = self.witness.lacking.iter().filter(|((by, _), _)| Some(by) == reader.as_ref());
        let missing: Vec<&MissingMessages> = lacking.flat_map(|(_, missing)| missing).collect();
        prop_assert_eq!(said.contains("it lacks messages"), !missing.is_empty(), "{}: {:?}", said, missing);
        for run in missing {
            let name = format!("{} {}-{}", run.producer, run.first, run.last);
            prop_assert!(said.contains(&name), "{} is not named: {}", name, said);
        }
        Ok(())
    }

    fn settle_ms(&self) -> i128 {
        self.spec.replay.settle.as_millis().into()
    }
}
