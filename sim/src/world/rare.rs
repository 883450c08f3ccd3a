//! Points that a sweep must reach sometimes: each is a path that is taken only when something goes wrong, and that no
//! test would miss if it were never taken. A sweep in which one was never reached has tested less than it seems.

use std::collections::BTreeSet;

use ms2m::{
    api::{HandoverStatus, Phase, StatefulMigrationStatus, condition, reason},
    protocol::table,
};

use crate::plan::FaultKind;

/// Reasons for which a migration is rolled back or fails.
const REASONS: [&str; 15] = [
    reason::SOURCE_HAS_OWNER,
    reason::SOURCE_NOT_MIGRATABLE,
    reason::REPLY_IMPOSSIBLE,
    reason::CHECKPOINT_UNSUPPORTED,
    reason::SOURCE_LOST,
    reason::BINDINGS_CHANGED,
    reason::CHECKPOINT_FAILED,
    reason::TRANSFER_FAILED,
    reason::RESTORED_FRESH,
    reason::RESTORE_FAILED,
    reason::REPLAY_DEADLINE_EXCEEDED,
    reason::REPLAY_QUEUE_LOST,
    reason::DEADLINE_EXCEEDED,
    reason::CANCELLED,
    reason::GAP,
];

/// Where a phase's own deadline may pass; the others say more than that it did.
const DEADLINES: [Phase; 5] =
    [Phase::Mirroring, Phase::Checkpointing, Phase::Transferring, Phase::Restoring, Phase::SwitchingOver];

/// What a sentence about the cutoff contains, and what it is called.
const CUTOFFS: [(&str, &str); 4] = [
    ("predicted pause", "cutoff by prediction"),
    ("has not caught up", "cutoff by deadline"),
    ("does not shrink", "cutoff by trend"),
    (SOURCE_ENDED, "cutoff by loss of the source"),
];
const SOURCE_ENDED: &str = "source ended";

/// What needs no more words.
const OTHERS: [&str; 44] = [
    "completed",
    "rolled back",
    "failed",
    "failed, and kept for a person",
    "proof asked of the source",
    "proof given by the source",
    "proof refused: forward only",
    FORWARD_WITHOUT_SOURCE,
    "fenced by STOPPED",
    "fenced without STOPPED",
    "gap asked about once more",
    "shadow replaced",
    "session replaced",
    "session replaced after the point of no return",
    "switched by a second session",
    "checkpoint tried again",
    "checkpoint timed out",
    "source evicted from a node that was lost",
    "target evicted from a node that was lost",
    "mirrored again after the replay queue was lost",
    "cancelled after the point of no return, and completed",
    "checkpoint left behind, and said so",
    "image kept by policy",
    "moved on, or back",
    "moved to a node that labels say",
    "moved out of a pod with a sidecar",
    "moved with bindings that the user said",
    "moved by a kubelet that was asked directly",
    WAITED,
    HAD_ITS_TURN,
    WENT_FIRST,
    LOOKED_AGAIN,
    TAKEN_OVER,
    MADE_WAY,
    "status written in conflict",
    "watch resumed at a server that is behind",
    "zombie refused by the broker",
    "message published again",
    "output emitted again",
    "stale command ignored",
    "held message reported as a gap",
    PUSHED_UNHEARD,
    PUSHED_OVER_BLOBS,
    KILLED_PUSHING,
];

/// It has completed with what was left when its source was lost.
pub(super) const FORWARD_WITHOUT_SOURCE: &str = "forward after loss of the source";

/// Two migrations of one pod: the second waits for the first.
pub(super) const WAITED: &str = "second migration of a pod waited for the first";
/// And has its turn when the first has left the pod where it was.
pub(super) const HAD_ITS_TURN: &str = "second migration of a pod had its turn after the first";

/// Of two that were asked for in the same second, the one that was asked for later goes first.
pub(super) const WENT_FIRST: &str = "second migration of a pod went before the first";

/// The checks of two have passed, and one is kept from beginning by what it sees then.
pub(super) const LOOKED_AGAIN: &str = "second look at the other migrations of a pod kept one back";

/// The Lease has another holder, and a migration is under way.
pub(super) const TAKEN_OVER: &str = "taken over by another operator";
/// And the one that held it still runs, cut off.
pub(super) const MADE_WAY: &str = "taken over by another operator while the first still ran";

/// A manifest is stored, and whoever sent it does not hear so.
pub(super) const PUSHED_UNHEARD: &str = "pushed, and the answer lost";
/// An earlier push got as far as the blobs, or further.
pub(super) const PUSHED_OVER_BLOBS: &str = "pushed again over blobs that were there";
/// The blobs are there, and the manifest is not.
pub(super) const KILLED_PUSHING: &str = "transfer killed in the middle of a push";

/// The points that a run has reached.
#[derive(Clone, Debug, Default)]
pub struct Reached(BTreeSet<String>);

/// Every point that there is.
pub fn points() -> BTreeSet<String> {
    let mut all: BTreeSet<String> = OTHERS.iter().map(|point| (*point).to_owned()).collect();
    all.extend(Phase::FORWARD.map(|phase| format!("rolled back from {phase:?}")));
    for phase in under_way() {
        all.extend([format!("410 during {phase:?}"), format!("operator restarted in {phase:?}")]);
        if table::allows(phase, Phase::Failed) {
            all.insert(format!("failed from {phase:?}"));
        }
    }
    all.extend(DEADLINES.map(|phase| format!("deadline exceeded in {phase:?}")));
    all.extend(REASONS.map(|reason| format!("ended by {reason}")));
    all.extend(FaultKind::all().into_iter().map(struck_by));
    all.extend(CUTOFFS.map(|(_, point)| point.to_owned()));
    all
}

/// What the point of a kind of fault begins with: one found something to strike.
pub const STRUCK_BY: &str = "struck by ";

/// The point of a kind of fault.
pub(super) fn struck_by(kind: FaultKind) -> String {
    format!("{STRUCK_BY}{kind}")
}

/// Whether a status shows that the migration missed its source before the target had the queue: it handed over because of that, could
/// not roll back because of that, or never heard the RAM that was checkpointed say that it stopped. One that died before it was on
/// record, or after it had stopped, was not missed.
pub(super) fn went_on_without_its_source(status: &StatefulMigrationStatus) -> bool {
    let refused = status.abort.as_ref().is_some_and(|abort| abort.refused && !abort.silent);
    let unheard = |handover: &HandoverStatus| {
        let is_fenced = handover.stopped_at.is_some() && handover.stopped.is_none();
        handover.cutoff.contains(SOURCE_ENDED) || is_fenced
    };
    refused || status.handover.as_ref().is_some_and(unheard)
}

/// The phases in which something is still to be done.
fn under_way() -> impl Iterator<Item = Phase> {
    table::TABLE.iter().map(|row| row.phase).filter(|phase| !phase.is_terminal())
}

impl Reached {
    /// Notes a point.
    pub fn reach(&mut self, point: impl Into<String>) {
        self.0.insert(point.into());
    }

    pub(super) fn reach_if(&mut self, reached: bool, point: &str) {
        if reached {
            self.reach(point);
        }
    }

    /// What was reached. A point that is not in the list would never be missed, and so must be.
    pub(super) fn take(&mut self) -> BTreeSet<String> {
        let all = points();
        let unknown: Vec<&String> = self.0.iter().filter(|point| !all.contains(*point)).collect();
        assert!(unknown.is_empty(), "{unknown:?} are not in the list of points");
        std::mem::take(&mut self.0)
    }

    /// What happens in a phase before the end.
    pub(super) fn reach_in(&mut self, what: &str, status: &StatefulMigrationStatus) {
        if !status.phase.is_terminal() && !status.phase_transitions.is_empty() {
            self.reach(format!("{what} {:?}", status.phase));
        }
    }

    /// What a change of the status tells.
    pub(super) fn follow(&mut self, old: &StatefulMigrationStatus, new: &StatefulMigrationStatus) {
        for pair in new.phase_transitions.windows(2) {
            match pair {
                [from, to] if to.phase == Phase::RollingBack => {
                    self.reach(format!("rolled back from {:?}", from.phase));
                    self.gave_up(from.phase, new);
                }
                [from, to] if to.phase == Phase::Failed => {
                    self.reach(format!("failed from {:?}", from.phase));
                }
                _ => {}
            }
        }
        if old.phase != new.phase && new.phase.is_terminal() {
            self.end(new);
        }
        if let Some(abort) = &new.abort {
            let asked = old.abort.is_none() && !abort.proven && !abort.refused;
            let waited = old.abort.as_ref().is_some_and(|old| !old.proven && !old.refused);
            self.reach_if(asked, "proof asked of the source");
            self.reach_if(waited && abort.proven, "proof given by the source");
            self.reach_if(abort.refused, "proof refused: forward only");
        }
        let held = new.conditions.iter().any(|c| {
            c.type_ == condition::DEGRADED
                && c.reason == reason::GAP
                && c.message.contains("wait for a predecessor")
        });
        self.reach_if(held, "held message reported as a gap");
        self.handover(old, new);
        self.target(old, new);
        let checkpoint = new.checkpoint.clone().unwrap_or_default();
        self.reach_if(checkpoint.attempts > 1, "checkpoint tried again");
        let timed_out = checkpoint.last_error.is_some_and(|said| said.contains("deadline exceeded"));
        self.reach_if(timed_out, "checkpoint timed out");
        let again = old.epoch.is_some() && new.epoch > old.epoch;
        self.reach_if(again, "mirrored again after the replay queue was lost");
        let left = new.cleanup.as_ref().is_some_and(|cleanup| cleanup.checkpoint_left.is_some());
        self.reach_if(left, "checkpoint left behind, and said so");
    }

    fn gave_up(&mut self, phase: Phase, new: &StatefulMigrationStatus) {
        let why = new.abort.as_ref().map(|abort| abort.reason.as_str());
        if why == Some(reason::DEADLINE_EXCEEDED) && DEADLINES.contains(&phase) {
            self.reach(format!("deadline exceeded in {phase:?}"));
        }
    }

    fn end(&mut self, new: &StatefulMigrationStatus) {
        let why = new.outcome.as_ref().map(|outcome| outcome.reason.as_str()).unwrap_or_default();
        if REASONS.contains(&why) {
            self.reach(format!("ended by {why}"));
        }
        self.reach(match new.phase {
            Phase::Completed => "completed",
            Phase::RolledBack => "rolled back",
            _ => "failed",
        });
        self.reach_if(new.phase == Phase::Failed && new.cleanup.is_none(), "failed, and kept for a person");
    }

    fn handover(&mut self, old: &StatefulMigrationStatus, new: &StatefulMigrationStatus) {
        let Some(handover) = &new.handover else { return };
        for (piece, point) in CUTOFFS {
            self.reach_if(handover.cutoff.contains(piece), point);
        }
        let stopped = |handover: &HandoverStatus| handover.stopped_at.is_some();
        if !old.handover.as_ref().is_some_and(stopped) && stopped(handover) {
            self.reach(if handover.stopped.is_some() {
                "fenced by STOPPED"
            } else {
                "fenced without STOPPED"
            });
        }
        self.reach_if(handover.asked_again, "gap asked about once more");
    }

    fn target(&mut self, old: &StatefulMigrationStatus, new: &StatefulMigrationStatus) {
        let (Some(was), Some(is)) = (&old.target, &new.target) else { return };
        self.reach_if(is.retired.len() > was.retired.len(), "shadow replaced");
        if was.session.is_none() || is.session.is_none() || was.session == is.session {
            return;
        }
        self.reach("session replaced");
        let handover = new.handover.clone().unwrap_or_default();
        self.reach_if(
            handover.point_of_no_return.is_some() && handover.switched_at.is_none(),
            "session replaced after the point of no return",
        );
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use ms2m::api::Abort;

    use super::*;

    fn handed_over(handover: HandoverStatus) -> StatefulMigrationStatus {
        StatefulMigrationStatus { handover: Some(handover), ..Default::default() }
    }

    fn given_up(refused: bool, silent: bool) -> StatefulMigrationStatus {
        let (reason, message) = (reason::CANCELLED.to_owned(), String::new());
        let at = Timestamp::UNIX_EPOCH;
        let abort = Abort { reason, message, at, asked_at: None, proven: !refused, refused, silent };
        StatefulMigrationStatus { abort: Some(abort), ..Default::default() }
    }

    #[test]
    fn a_source_is_missed_where_the_status_says_so() {
        let stopped_at = Some(Timestamp::UNIX_EPOCH);
        let usual = HandoverStatus { cutoff: "predicted pause 1ms".to_owned(), ..Default::default() };
        let heard = HandoverStatus { stopped_at, stopped: Some(Default::default()), ..usual.clone() };
        let ended = HandoverStatus { cutoff: "the source ended: nothing more".to_owned(), ..heard.clone() };
        let unheard = HandoverStatus { stopped_at, ..usual.clone() };
        let missed = [handed_over(ended), handed_over(unheard), given_up(true, false)];
        let not = [handed_over(usual), handed_over(heard), given_up(true, true), given_up(false, false)];
        assert!(missed.iter().all(went_on_without_its_source), "{missed:#?}");
        assert!(!not.iter().any(went_on_without_its_source), "{not:#?}");
    }
}
