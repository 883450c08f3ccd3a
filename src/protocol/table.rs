//! The table of phases: what must be the case to enter one, what is done in it, and how that is undone.

use crate::api::{Attempts, Phase, StatefulMigrationSpec};

use Phase::{
    Checkpointing, Completed, Failed, Mirroring, Pending, Replaying, Restoring, RolledBack, RollingBack,
    SwitchingOver, Transferring,
};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The phase.
    pub phase: Phase,
    /// What is known to be the case when it is entered.
    pub entry: &'static str,
    /// What is done in it.
    pub done: &'static str,
    /// How that is undone; every undo is idempotent, and they run in reverse order of the rows.
    pub undo: &'static str,
    /// Where it may lead.
    pub next: &'static [Phase],
    /// How often its own work is tried before the migration rolls back.
    pub attempts: fn(&Attempts) -> u32,
}

/// The phases, in order. The point of no return lies inside `SwitchingOver`: the write that records
/// `handover.pointOfNoReturn`. Before it every failure rolls back, after it every failure rolls forward.
pub const TABLE: [Row; 11] = [
    Row {
        phase: Pending,
        entry: "accepted, finalizer set",
        done: "check everything; PROBE the source; record source, target, bindings, and a larger epoch",
        undo: "delete the replies queue",
        next: &[Mirroring, RollingBack],
        attempts: |_| 1,
    },
    Row {
        phase: Mirroring,
        entry: "checks passed, source answered PROBED",
        done: "label the source; declare and bind R; wait settle; SYNC into Q",
        undo: "unbind and delete R; unlabel the source",
        next: &[Checkpointing, RollingBack],
        attempts: |_| 1,
    },
    Row {
        phase: Checkpointing,
        entry: "SYNCED of this epoch and nonce, by this process",
        done: "POST the kubelet's checkpoint API",
        undo: "delete the archive",
        next: &[Transferring, RollingBack],
        attempts: |allowed| allowed.checkpoints,
    },
    Row {
        phase: Transferring,
        entry: "the archive exists on the source's node",
        done: "a Job builds an image from it and pushes it, by digest",
        undo: "delete the Job and the image",
        next: &[Restoring, RollingBack],
        attempts: |_| 1,
    },
    Row {
        phase: Restoring,
        entry: "the image's digest is known",
        done: "shadow pod on the target node",
        undo: "delete the shadow",
        next: &[Replaying, RollingBack, Failed],
        attempts: |allowed| allowed.shadows,
    },
    Row {
        phase: Replaying,
        entry: "HELLO with this epoch's nonce and a ledger that contains SYNCED's",
        done: "START_REPLAY; measure lag and rates; decide the cutoff",
        undo: "delete the shadow",
        next: &[SwitchingOver, RollingBack, Failed],
        attempts: |allowed| allowed.shadows,
    },
    Row {
        phase: SwitchingOver,
        entry: "cutoff decided, REPLAY_STARTED",
        done: "STOP; END and END_REPLAY; DRAINED: point of no return; TAKE_OVER; route; remove the source; clean up",
        undo: "RESUME the source, until the point of no return; none after it",
        next: &[Completed, RollingBack, Failed],
        attempts: |allowed| allowed.shadows,
    },
    Row {
        phase: Completed,
        entry: "the target owns Q, the source is gone, nothing is left over",
        done: "nothing",
        undo: "none",
        next: &[],
        attempts: |_| 0,
    },
    Row {
        phase: RollingBack,
        entry: "a failure, a gap with a living source, or cancel, recorded",
        done: "every undo, from the last row that was reached to the first",
        undo: "none",
        next: &[RolledBack, Failed],
        attempts: |_| 0,
    },
    Row {
        phase: RolledBack,
        entry: "the source owns Q, nothing is left over",
        done: "nothing",
        undo: "none",
        next: &[],
        attempts: |_| 0,
    },
    Row {
        phase: Failed,
        entry: "neither forward nor back without a person",
        done: "nothing",
        undo: "none",
        next: &[],
        attempts: |_| 0,
    },
];

/// The row of a phase.
pub fn row(phase: Phase) -> &'static Row {
    // The table has a row for each phase, in the order of the enum; a test holds it to that.
    &TABLE[phase as usize]
}

/// Whether a migration may go from one phase to the other.
pub fn allows(from: Phase, to: Phase) -> bool {
    row(from).next.contains(&to)
}

/// How long a phase may take before the migration rolls back; none where something else says when it has taken too long.
pub fn deadline(phase: Phase, spec: &StatefulMigrationSpec) -> Option<std::time::Duration> {
    let d = &spec.deadlines;
    let span = match phase {
        Mirroring => d.mirroring,
        Checkpointing => d.checkpointing,
        Transferring => d.transferring,
        Restoring => d.restoring,
        SwitchingOver => d.switching_over,
        // Pending says what it waits for when it gives up; Replaying has a deadline of its own kind, which may lead forward: see
        // `cutoff`.
        Pending | Replaying | Completed | RollingBack | RolledBack | Failed => return None,
    };
    Some(span.as_duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_row_per_phase_in_order() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.phase as usize, index, "{:?}", row.phase);
        }
    }

    #[test]
    fn terminal_phases_lead_nowhere_and_all_others_somewhere() {
        for row in &TABLE {
            assert_eq!(row.next.is_empty(), row.phase.is_terminal(), "{:?}", row.phase);
        }
    }

    #[test]
    fn every_phase_before_the_end_can_roll_back() {
        for row in TABLE.iter().filter(|row| row.phase < Completed) {
            assert!(allows(row.phase, RollingBack), "{:?}", row.phase);
        }
    }
}
