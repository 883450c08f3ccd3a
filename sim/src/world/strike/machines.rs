//! What breaks on nodes, at the registry, and with the operator's clock.

use super::{Undo, misdirected};
use crate::{
    plan::FaultKind,
    world::{drive::Drive, machines::Ailment},
};

/// How far a clock jumps.
const JUMP_MS: i64 = 60_000;

impl Drive {
    pub(super) fn strike_machines(&self, kind: FaultKind) -> Undo {
        let ailment = match kind {
            FaultKind::FailCheckpoint => {
                self.cluster.machines.lock().checkpoint_failures += 1;
                return Undo::Nothing;
            }
            FaultKind::ClockAhead => {
                self.cluster.clock.set(JUMP_MS);
                return Undo::SetClock;
            }
            FaultKind::ClockBehind => {
                self.cluster.clock.set(-JUMP_MS);
                return Undo::SetClock;
            }
            FaultKind::FailCheckpoints => Ailment::FailsCheckpoints,
            FaultKind::SlowCheckpoints => Ailment::SlowCheckpoints,
            FaultKind::HangCheckpoints => Ailment::HangsCheckpoints,
            FaultKind::DiskFull => Ailment::DiskFull,
            FaultKind::RegistryDown => Ailment::RegistryDown,
            FaultKind::HangRegistry => Ailment::RegistryHangs,
            FaultKind::TruncatePushes => Ailment::TruncatesPushes,
            FaultKind::RefuseManifests => Ailment::RefusesManifests,
            FaultKind::LosePushAnswers => Ailment::LosesPushAnswers,
            FaultKind::CrashTransfers => Ailment::CrashesTransfers,
            FaultKind::LoseReports => Ailment::LosesReports,
            FaultKind::PullsFail => Ailment::RefusesPulls,
            FaultKind::FailRestores => Ailment::FailsRestores,
            FaultKind::RestoreFresh => Ailment::RestoresFresh,
            other => misdirected(other),
        };
        self.cluster.machines.lock().ailments.insert(ailment);
        Undo::Cure(ailment)
    }
}
