use crate::plan::FaultKind;

/// What may happen to a workload by the faults that have struck it, or everybody, so far; before them nothing of it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Permits {
    repeated_outputs: bool,
    gap: bool,
    lost_replay_queue: bool,
}

impl Permits {
    pub(super) fn add(&mut self, kind: FaultKind) {
        self.repeated_outputs |= kind.may_repeat_outputs();
        self.gap |= kind.may_leave_a_gap();
        self.lost_replay_queue |= kind == FaultKind::DeleteReplayQueue;
    }

    /// One of its processes is killed: what it had said and nobody had confirmed is said again.
    pub(super) fn repeat_outputs(&mut self) {
        self.repeated_outputs = true;
    }

    /// Whether an output may appear again, with the same identity.
    pub(super) fn may_repeat_outputs(self) -> bool {
        self.repeated_outputs
    }

    /// Whether a message may go past the replay queue.
    pub(super) fn may_leave_a_gap(self) -> bool {
        self.gap
    }

    /// Whether somebody else deletes the replay queue.
    pub(super) fn may_lose_the_replay_queue(self) -> bool {
        self.lost_replay_queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_permitted_before_a_fault_strikes_and_then_what_that_fault_may_do() {
        let told = |permits: Permits| {
            (permits.may_repeat_outputs(), permits.may_leave_a_gap(), permits.may_lose_the_replay_queue())
        };
        let mut permits = Permits::default();
        assert_eq!(told(permits), (false, false, false));
        permits.add(FaultKind::CrashOperator);
        assert_eq!(told(permits), (false, false, false));
        permits.add(FaultKind::LateBindings);
        assert_eq!(told(permits), (false, true, false));
        permits.add(FaultKind::DeleteReplayQueue);
        assert_eq!(told(permits), (false, true, true));
        permits.repeat_outputs();
        assert_eq!(told(permits), (true, true, true));
    }
}
