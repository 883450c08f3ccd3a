use crate::api::{Phase, StatefulMigrationStatus};

/// What must be looked at for a decision to be worth making: a look costs a round trip, and in the handover that is
/// part of the pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "one flag per field of Observation")]
pub struct Needs {
    /// [`Observation::preflight`](super::Observation::preflight).
    pub preflight: bool,
    /// [`Observation::rivalry`](super::Observation::rivalry).
    pub rivalry: bool,
    /// [`Observation::source`](super::Observation::source).
    pub source: bool,
    /// [`Observation::shadow`](super::Observation::shadow).
    pub shadow: bool,
    /// [`Observation::transfer_job`](super::Observation::transfer_job).
    pub transfer_job: bool,
    /// [`Observation::cleanup_job`](super::Observation::cleanup_job).
    pub cleanup_job: bool,
    /// [`Observation::primary`](super::Observation::primary).
    pub primary: bool,
    /// [`Observation::replay`](super::Observation::replay).
    pub replay: bool,
    /// [`Observation::replay_end`](super::Observation::replay_end).
    pub replay_end: bool,
    /// [`Observation::bindings`](super::Observation::bindings).
    pub bindings: bool,
    /// [`Observation::replies`](super::Observation::replies).
    pub replies: bool,
}

/// What a migration in this state needs to know.
pub fn needs(status: &StatefulMigrationStatus) -> Needs {
    let mut needs = Needs { source: true, replies: status.source.is_some(), ..Default::default() };
    match status.phase {
        Phase::Pending => {
            needs.preflight = status.source.is_none();
            needs.rivalry = status.source.is_some();
        }
        Phase::Mirroring => {
            needs.replay = true;
            needs.bindings = true;
        }
        Phase::Checkpointing => needs.replay = true,
        Phase::Transferring => {
            needs.transfer_job = true;
            needs.replay = true;
        }
        Phase::Restoring | Phase::Replaying => {
            needs.shadow = true;
            needs.replay = true;
            // From the moment that somebody is there who is about to replay.
            needs.replay_end = status.target.as_ref().is_some_and(|target| target.session.is_some());
        }
        Phase::SwitchingOver => {
            let handover = status.handover.as_ref();
            needs.shadow = true;
            needs.replay = handover.is_none_or(|handover| handover.drained_session.is_none())
                || handover.and_then(|handover| handover.drained_session.as_ref())
                    != status.target.as_ref().and_then(|target| target.session.as_ref());
            needs.primary = handover.is_none_or(|handover| handover.stopped_at.is_none());
            let finishing = handover.is_some_and(|handover| handover.switched_at.is_some());
            needs.transfer_job = finishing;
            needs.cleanup_job = finishing;
        }
        Phase::RollingBack => {
            needs.shadow = true;
            needs.transfer_job = true;
            needs.cleanup_job = true;
        }
        Phase::Completed | Phase::RolledBack | Phase::Failed => return Needs::default(),
    }
    needs
}
