//! What breaks on nodes, at the registry, and with the operator's clock.

use super::{
    Blow, Undo,
    evidence::{Encounter, Evidence},
    misdirected,
};
use crate::{
    plan::FaultKind,
    world::{drive::Drive, machines::Ailment},
};

/// How far a clock jumps.
const JUMP_MS: i64 = 60_000;

impl Drive {
    pub(super) fn strike_machines(&self, kind: FaultKind) -> Blow {
        let from_now_on = |of| Evidence::from_now_on(of, &self.cluster);
        let ailment = match kind {
            FaultKind::FailCheckpoint => {
                return self.fail_one_checkpoint();
            }
            FaultKind::ClockAhead => return self.jump(JUMP_MS),
            FaultKind::ClockBehind => return self.jump(-JUMP_MS),
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
        let evidence = from_now_on(Encounter::Ailment(ailment));
        self.cluster.machines.lock().ailments.insert(ailment);
        Blow { undo: Undo::Cure(ailment), evidence }
    }

    fn jump(&self, ms: i64) -> Blow {
        let evidence = Evidence::from_now_on(Encounter::WrongTime, &self.cluster);
        self.cluster.clock.jump(ms);
        Blow { undo: Undo::JumpBack(ms), evidence }
    }

    fn fail_one_checkpoint(&self) -> Blow {
        let mut state = self.cluster.machines.lock();
        // Those that were told so before fail theirs first.
        let before = state.checkpoints_failed + u64::from(state.checkpoint_failures);
        state.checkpoint_failures += 1;
        Blow {
            undo: Undo::Nothing,
            evidence: Evidence::More { than: before, of: Encounter::FailedCheckpoint },
        }
    }
}
