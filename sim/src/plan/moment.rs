use clap::ValueEnum;
use ms2m::api::{HandoverStatus, Phase, StatefulMigrationStatus};
use serde::{Deserialize, Serialize};

/// When a fault strikes: so long after a step of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Moment {
    /// Index of the workload whose migration is meant, and what source and target mean.
    #[serde(default)]
    pub workload: usize,
    /// Which of the workload's migrations.
    #[serde(default, skip_serializing_if = "is_first")]
    pub round: u32,
    /// The step.
    pub step: Step,
    /// How long after it, in milliseconds.
    #[serde(default)]
    pub after_ms: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_first(round: &u32) -> bool {
    *round == 0
}

/// A point that a migration passes, as its status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
#[value(rename_all = "camelCase")]
pub enum Step {
    /// The migration is asked for.
    Asked,
    /// The phase is entered.
    #[value(skip)]
    Phase(Phase),
    /// The replay queue is bound; `SYNC` is not sent yet.
    Bound,
    /// `SYNC` is sent.
    SyncSent,
    /// A shadow pod is there that has not said `HELLO`.
    ShadowSeen,
    /// `START_REPLAY` is sent.
    ReplaySent,
    /// `STOP` is sent.
    StopSent,
    /// The source has stopped.
    Stopped,
    /// `END` and `END_REPLAY` are sent.
    EndSent,
    /// The point of no return is recorded.
    PointOfNoReturn,
    /// `TAKE_OVER` is sent.
    TakeOverSent,
    /// The target owns the queue.
    Switched,
    /// Services are routed.
    Routed,
    /// The source is gone.
    SourceGone,
    /// The replay queue has lost its bindings.
    Unbound,
    /// The replay queue is deleted.
    ReplayDeleted,
    /// `RESUME` is sent.
    ResumeSent,
    /// The migration has ended, however.
    Over,
    /// The operator has written so many times to the API server, since the migration was asked for.
    #[value(skip)]
    Write(u32),
    /// The operator has acted so many times at the broker, since the migration was asked for: declared, bound, unbound, purged
    /// or deleted a queue, or published. To look, to read, to ack and to open a channel are none, so that nothing that is done
    /// again and again while it waits shifts the numbers. It counts when it arrives, whatever comes of it.
    #[value(skip)]
    Act(u32),
}

/// What the operator has done in all, or since a migration was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Its writes to the API server.
    pub writes: u32,
    /// Its acts at the broker.
    pub acts: u32,
}

impl Counts {
    /// What was done after an earlier count.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            writes: self.writes.saturating_sub(before.writes),
            acts: self.acts.saturating_sub(before.acts),
        }
    }
}

impl Step {
    /// Every step of a migration, in the order in which they come, but for the operator's writes and acts.
    pub fn all() -> Vec<Self> {
        use Step as S;
        vec![
            S::Asked,
            S::Phase(Phase::Pending),
            S::Phase(Phase::Mirroring),
            S::Bound,
            S::SyncSent,
            S::Phase(Phase::Checkpointing),
            S::Phase(Phase::Transferring),
            S::Phase(Phase::Restoring),
            S::ShadowSeen,
            S::Phase(Phase::Replaying),
            S::ReplaySent,
            S::Phase(Phase::SwitchingOver),
            S::StopSent,
            S::Stopped,
            S::EndSent,
            S::PointOfNoReturn,
            S::TakeOverSent,
            S::Switched,
            S::Routed,
            S::SourceGone,
            S::Unbound,
            S::ReplayDeleted,
            S::Phase(Phase::RollingBack),
            S::ResumeSent,
            S::Over,
        ]
    }

    /// Whether a migration has passed it; `counts` is what the operator has done since it was asked for.
    pub fn is_passed(self, status: &StatefulMigrationStatus, counts: Counts) -> bool {
        let handover = |of: fn(&HandoverStatus) -> bool| status.handover.as_ref().is_some_and(of);
        let cleanup = status.cleanup.clone().unwrap_or_default();
        let mirror = status.mirror.as_ref();
        let target = status.target.as_ref();
        match self {
            Self::Asked => true,
            Self::Phase(phase) => status.phase_transitions.iter().any(|passed| passed.phase == phase),
            Self::Bound => mirror.is_some_and(|mirror| mirror.bound_at.is_some()),
            Self::SyncSent => mirror.is_some_and(|mirror| mirror.sync_sent_at.is_some()),
            Self::ShadowSeen => target.is_some_and(|target| target.uid.is_some()),
            Self::ReplaySent => target.is_some_and(|target| target.start_replay_sent_at.is_some()),
            Self::StopSent => handover(|handover| handover.stop_sent_at.is_some()),
            Self::Stopped => handover(|handover| handover.stopped_at.is_some()),
            Self::EndSent => handover(|handover| handover.end_sent_at.is_some()),
            Self::PointOfNoReturn => handover(|handover| handover.point_of_no_return.is_some()),
            Self::TakeOverSent => handover(|handover| handover.take_over_sent_at.is_some()),
            Self::Switched => handover(|handover| handover.switched_at.is_some()),
            Self::Routed => cleanup.routed,
            Self::SourceGone => cleanup.source_gone,
            Self::Unbound => cleanup.unbound_at.is_some(),
            Self::ReplayDeleted => cleanup.replay_deleted,
            Self::ResumeSent => cleanup.resume_sent_at.is_some(),
            Self::Over => status.phase.is_terminal(),
            Self::Write(count) => counts.writes >= count,
            Self::Act(count) => counts.acts >= count,
        }
    }
}
