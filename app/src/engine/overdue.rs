//! What only a dead source had never comes. A new owner goes on without it, after a while.

use super::{Ram, ram::Role};
use crate::contract::MissingMessages;

/// How many ticks, a fifth of a second each, a predecessor is waited for: the thirty seconds that the operator waits, too, and
/// longer than a broker takes to give back what a dead connection has not acked.
pub(crate) const PATIENCE_TICKS: u32 = 150;

impl<S> Ram<S> {
    /// Takes what keeps a producer away for so long as contained, so that what was set aside behind it is due.
    ///
    /// Only in a state that took over from a source of which nobody knows what it had processed: elsewhere everything has its
    /// predecessor in the queue. And only when nothing is left to read but the queue.
    pub(super) fn pass_over_what_is_overdue(&mut self) {
        let reads = self.target.as_ref().is_some_and(|target| !target.finished);
        let waits = self.is_unsure && self.role() == Role::Owner && !reads && !self.line.ahead.is_empty();
        let overdue = &mut self.line.overdue;
        if !waits {
            overdue.clear();
            return;
        }
        overdue.retain(|producer, _| self.line.ahead.keys().any(|id| id.producer == *producer));
        let mut runs = self.ledger.awaited_by(self.line.ahead.keys(), usize::MAX);
        // Of each producer the first: what is behind it may be on its way.
        runs.dedup_by(|later, first| later.producer == first.producer);
        for run in runs {
            let ticks = overdue.entry(run.producer.clone()).or_default();
            *ticks += 1;
            if *ticks >= PATIENCE_TICKS && self.ledger.go_past(&run) {
                overdue.remove(&run.producer);
                let MissingMessages { producer, first, last } = &run;
                tracing::warn!(%producer, first, last, "nobody has these messages: going on without them");
                self.passed_over.push(run);
            }
        }
    }
}
