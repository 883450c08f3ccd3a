use std::{collections::BTreeSet, time::Duration};

use ms2m::{
    api::{Phase, StatefulMigrationStatus, reason},
    protocol::table,
};

use super::{
    Oracle,
    fates::{checkpointed, ledger_gaps, of_the_source},
    is_kept,
};
use crate::world::Cluster;

impl Oracle {
    /// Follows the object's status: phases only move along the table's edges, and the point of no return is passed once.
    pub fn follow(&mut self, status: &StatefulMigrationStatus, at: Duration) {
        for transition in status.phase_transitions.iter().skip(self.transitions.max(1)) {
            if !table::allows(self.phase, transition.phase) {
                self.broke(at, "PhaseMonotonic", format!("{:?} -> {:?}", self.phase, transition.phase));
            }
            self.phase = transition.phase;
        }
        self.transitions = status.phase_transitions.len();
        self.takes_only_the_restored(status, at);
        if status.abort.is_some() {
            self.gave_up_at.get_or_insert(at);
        }
        let point = status.handover.as_ref().and_then(|handover| handover.point_of_no_return);
        if self.point_of_no_return.is_some() && self.point_of_no_return != point {
            self.broke(at, "PhaseMonotonic", "the point of no return moved");
        }
        if self.point_of_no_return.is_none() && point.is_some() {
            let drained = status.handover.as_ref().and_then(|handover| handover.drained_session.clone());
            let current = status.target.as_ref().and_then(|target| target.session.clone());
            if drained.is_none() || drained != current {
                self.broke(
                    at,
                    "PhaseMonotonic",
                    "the point of no return was passed by another session".to_owned(),
                );
            }
        }
        self.point_of_no_return = point;
        let gap = status.handover.as_ref().is_some_and(|handover| !handover.missing.is_empty());
        if gap && !self.permits.may_leave_a_gap() {
            let missing =
                status.handover.as_ref().map(|handover| handover.missing.clone()).unwrap_or_default();
            self.broke(
                at,
                "NoLoss",
                format_args!("the target lacks {missing:?}, which should be in the replay queue"),
            );
        }
        let abort = status.abort.as_ref().map(|abort| &abort.reason);
        let why = abort.or(status.outcome.as_ref().map(|outcome| &outcome.reason));
        if why.is_some_and(|why| why == reason::REPLAY_QUEUE_LOST)
            && !self.permits.may_lose_the_replay_queue()
        {
            self.broke(at, "NoLoss", "the replay queue is gone before its time, and nobody else deletes any");
        }
    }

    /// Where nothing breaks, nothing but the user's own deadline may send a migration back.
    pub(super) fn completes_in_calm(&mut self, status: &StatefulMigrationStatus, at: Duration) {
        let why = status.outcome.as_ref().map(|outcome| outcome.reason.clone()).unwrap_or_default();
        let ended = status.phase.is_terminal() && status.phase != Phase::Completed;
        // The first of two need not wait for the second, unless nobody can tell which is which.
        let waits = why == reason::SOURCE_BUSY && (self.names.round > 0 || self.has_a_twin);
        if self.is_calm
            && ended
            && why != reason::REPLAY_DEADLINE_EXCEEDED
            && why != reason::DEADLINE_EXCEEDED
            && !waits
        {
            self.broke(
                at,
                "Converges",
                format_args!("it ended {:?} ({why}) though nothing broke", status.phase),
            );
        }
    }

    /// A migration fails only when neither way is open: the RAM died, or messages are missing. What it keeps for a person
    /// is really there.
    pub(super) fn failed_for_a_reason(
        &mut self,
        cluster: &Cluster,
        status: &StatefulMigrationStatus,
        at: Duration,
    ) {
        if status.phase != Phase::Failed {
            return;
        }
        let why = status.outcome.as_ref().map(|outcome| outcome.reason.as_str()).unwrap_or_default();
        let source_died = self.fates.source_died() || self.fates.source_had_died(status);
        if why != reason::GAP && why != reason::REPLAY_QUEUE_LOST && !source_died {
            self.broke(
                at,
                "NoLoss",
                format_args!("it failed ({why}) though the source's RAM was never lost"),
            );
        }
        if !is_kept(status) {
            return;
        }
        // Somebody else deleted it: that is why it failed.
        if why == reason::REPLAY_QUEUE_LOST {
            return;
        }
        let replay = status.mirror.as_ref().map(|mirror| mirror.replay_queue.clone()).unwrap_or_default();
        // Or it happened since.
        let may_be_gone = self.permits.may_lose_the_replay_queue();
        if !may_be_gone && cluster.broker.queues().iter().all(|queue| queue.name != replay) {
            self.broke(at, "NoLoss", format_args!("it failed, and its replay queue {replay} is not kept"));
        }
        let Some(kept) = checkpointed(cluster, status) else {
            self.broke(at, "NoLoss", "it failed, and its checkpoint image is not kept");
            return;
        };
        // Where messages go past the replay queue, or are deleted with it, only the source had them.
        if self.permits.may_leave_a_gap() || may_be_gone {
            return;
        }
        let waiting: BTreeSet<_> = cluster.broker.identities(&replay).into_iter().collect();
        let had = of_the_source(cluster, status).unwrap_or_default();
        let mut lacks = ledger_gaps(&kept, &had);
        lacks.retain(|identity| !waiting.contains(identity));
        if !lacks.is_empty() {
            let message = format_args!("it failed, and neither its image nor its replay queue has {lacks:?}");
            self.broke(at, "NoLoss", message);
        }
    }
}
