use serde::{Deserialize, Serialize};

use super::Link;

/// What breaks. Where it lasts, it ends after the fault's duration; what happens at an instant has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The operator is killed, and started again at the end.
    CrashOperator,
    /// The API server is down; what it stored stays.
    CrashApiServer,
    /// The broker is down; what is durable stays.
    CrashBroker,
    /// The publishers are killed, and started again with new identities.
    CrashTraffic,
    /// The kubelet of the source's node is down; its containers run on.
    CrashSourceKubelet,
    /// The kubelet of the target's node is down; its containers run on.
    CrashTargetKubelet,
    /// The source's node loses its power, and comes back at the end.
    LoseSourceNode,
    /// The target's node loses its power, and comes back at the end.
    LoseTargetNode,
    /// The source's process is killed; its pod starts a fresh one.
    KillSource,
    /// The target's process is killed.
    KillTarget,

    /// Somebody deletes the source pod.
    DeleteSource,
    /// Somebody deletes the shadow pod.
    DeleteTarget,
    /// Somebody deletes the source pod without waiting for its end: its process goes on until its kubelet hears of it.
    ForceDeleteSource,
    /// Somebody deletes the shadow pod so.
    ForceDeleteTarget,
    /// The user deletes the migration.
    Cancel,
    /// Somebody binds the queue to another exchange.
    ChangeBindings,

    /// Nothing passes; what was under way arrives at the end.
    Hold(Link),
    /// Nothing passes, and what was under way is lost.
    Partition(Link),
    /// The same towards the second party only.
    PartitionTo(Link),
    /// The same from the second party only.
    PartitionFrom(Link),
    /// Every segment takes 150 ms.
    Slow(Link),

    /// The operator's writes are answered 409 Conflict.
    ApiConflicts,
    /// The operator's requests are answered 429 Too Many Requests.
    ApiTooMany,
    /// The operator's requests are answered 500.
    ApiErrors,
    /// The operator's next write is done, and the answer to it is lost.
    LoseAcknowledgement,
    /// The operator's next write is lost.
    LoseWrite,
    /// The operator's requests take a second longer.
    DelayApi,
    /// Watches stay silent.
    StallWatches,
    /// Watches are closed.
    CloseWatches,
    /// The history is compacted and watches are closed: those that come back get 410 Gone, and have to list again.
    CompactHistory,
    /// A second API server falls behind, and serves every watch that begins and every read that is content with a cache.
    LaggingApi,
    /// Watches are closed, and those that come back are served by an API server that is behind them.
    StaleWatch,

    /// The broker drops the operator's connection.
    DropOperator,
    /// The broker drops the source's connection.
    DropSource,
    /// The broker drops the target's connection.
    DropTarget,
    /// The broker closes every channel of the operator's connection, as it does when a delivery was not acked for long.
    CloseOperatorChannels,
    /// The broker closes every channel of the source's connection.
    CloseSourceChannels,
    /// The broker closes every channel of the target's connection.
    CloseTargetChannels,
    /// The broker routes, but confirms nothing.
    WithholdConfirms,
    /// The broker has too little memory: it reads nothing more of a connection that publishes.
    BrokerMemoryAlarm,
    /// A binding that is made is in force only 800 ms after it was confirmed.
    LateBindings,
    /// Somebody deletes the replay queue.
    DeleteReplayQueue,
    /// Somebody deletes the source's control queue, with the commands in it.
    DeleteSourceControl,
    /// Somebody deletes the target's.
    DeleteTargetControl,
    /// Every control message of the last while comes once more, the latest first.
    RepeatControl,
    /// Somebody tells the operator what no application may say.
    TalkNonsense,

    /// A checkpoint fails.
    FailCheckpoint,
    /// Checkpoints fail until the end.
    FailCheckpoints,
    /// Checkpoints take 20 s longer.
    SlowCheckpoints,
    /// The source node's disk is full: no archive can be written.
    DiskFull,
    /// The registry answers pushes with 503.
    RegistryDown,
    /// Pushes break off in the middle.
    TruncatePushes,
    /// What a transfer Job reports is lost, though it has done its work.
    LoseReports,
    /// No image can be pulled.
    PullsFail,
    /// Restores fail.
    FailRestores,
    /// Runtimes silently start the base image instead of restoring.
    RestoreFresh,

    /// The operator's clock jumps a minute forward, and back at the end.
    ClockAhead,
    /// The operator's clock jumps a minute back, and forward at the end.
    ClockBehind,
}

impl FaultKind {
    /// Every kind, on every link.
    pub fn all() -> Vec<Self> {
        let mut all = SIMPLE.to_vec();
        for link in Link::ALL {
            all.extend([
                Self::Hold(link),
                Self::Partition(link),
                Self::PartitionTo(link),
                Self::PartitionFrom(link),
                Self::Slow(link),
            ]);
        }
        all
    }

    /// Every kind that is about no link.
    pub(super) fn simple() -> &'static [Self] {
        &SIMPLE
    }

    /// Whether it goes on for a while.
    pub fn lasts(self) -> bool {
        !matches!(
            self,
            Self::KillSource
                | Self::KillTarget
                | Self::DeleteSource
                | Self::DeleteTarget
                | Self::ForceDeleteSource
                | Self::ForceDeleteTarget
                | Self::Cancel
                | Self::ChangeBindings
                | Self::LoseAcknowledgement
                | Self::LoseWrite
                | Self::CloseWatches
                | Self::CompactHistory
                | Self::DropOperator
                | Self::DropSource
                | Self::DropTarget
                | Self::CloseOperatorChannels
                | Self::CloseSourceChannels
                | Self::CloseTargetChannels
                | Self::RepeatControl
                | Self::TalkNonsense
                | Self::DeleteReplayQueue
                | Self::DeleteSourceControl
                | Self::DeleteTargetControl
                | Self::FailCheckpoint
        )
    }

    /// How long it lasts where nothing is said: about as long as such a thing takes in life.
    pub fn usual_ms(self) -> u64 {
        match self {
            kind if !kind.lasts() => 0,
            Self::CrashOperator | Self::CrashBroker | Self::CrashTraffic => 700,
            Self::LoseSourceNode | Self::LoseTargetNode | Self::BrokerMemoryAlarm => 20_000,
            Self::ApiConflicts | Self::ApiTooMany | Self::ApiErrors => 1_500,
            Self::FailCheckpoints | Self::DiskFull | Self::RestoreFresh | Self::FailRestores => 60_000,
            _ => 5_000,
        }
    }

    /// Whether a process of the workload may lose its connection, its channels, or its life by it: then it may say something again.
    pub fn may_repeat_outputs(self) -> bool {
        matches!(
            self,
            Self::CrashBroker
                | Self::LoseSourceNode
                | Self::LoseTargetNode
                | Self::KillSource
                | Self::KillTarget
                | Self::DeleteSource
                | Self::DeleteTarget
                | Self::ForceDeleteSource
                | Self::ForceDeleteTarget
                | Self::DropSource
                | Self::DropTarget
                | Self::CloseSourceChannels
                | Self::CloseTargetChannels
                | Self::WithholdConfirms
                | Self::BrokerMemoryAlarm
                | Self::Hold(Link::SourceBroker | Link::TargetBroker)
                | Self::Partition(Link::SourceBroker | Link::TargetBroker)
                | Self::PartitionTo(Link::SourceBroker | Link::TargetBroker)
                | Self::PartitionFrom(Link::SourceBroker | Link::TargetBroker)
        )
    }

    /// Whether it does harm only to what begins later.
    pub fn lies_in_wait(self) -> bool {
        matches!(
            self,
            Self::LateBindings
                | Self::FailCheckpoint
                | Self::FailCheckpoints
                | Self::SlowCheckpoints
                | Self::DiskFull
                | Self::RegistryDown
                | Self::TruncatePushes
                | Self::LoseReports
                | Self::PullsFail
                | Self::FailRestores
                | Self::RestoreFresh
        )
    }

    /// Whether messages may go past the replay queue by it: then a gap is no fault of the protocol's, as long as it says so.
    pub fn may_leave_a_gap(self) -> bool {
        matches!(self, Self::LateBindings | Self::DeleteReplayQueue)
    }
}

const SIMPLE: [FaultKind; 53] = {
    use FaultKind as K;
    [
        K::CrashOperator,
        K::CrashApiServer,
        K::CrashBroker,
        K::CrashTraffic,
        K::CrashSourceKubelet,
        K::CrashTargetKubelet,
        K::LoseSourceNode,
        K::LoseTargetNode,
        K::KillSource,
        K::KillTarget,
        K::DeleteSource,
        K::DeleteTarget,
        K::ForceDeleteSource,
        K::ForceDeleteTarget,
        K::Cancel,
        K::ChangeBindings,
        K::ApiConflicts,
        K::ApiTooMany,
        K::ApiErrors,
        K::LoseAcknowledgement,
        K::LoseWrite,
        K::DelayApi,
        K::StallWatches,
        K::CloseWatches,
        K::CompactHistory,
        K::LaggingApi,
        K::StaleWatch,
        K::DropOperator,
        K::DropSource,
        K::DropTarget,
        K::CloseOperatorChannels,
        K::CloseSourceChannels,
        K::CloseTargetChannels,
        K::WithholdConfirms,
        K::BrokerMemoryAlarm,
        K::RepeatControl,
        K::TalkNonsense,
        K::LateBindings,
        K::DeleteReplayQueue,
        K::DeleteSourceControl,
        K::DeleteTargetControl,
        K::FailCheckpoint,
        K::FailCheckpoints,
        K::SlowCheckpoints,
        K::DiskFull,
        K::RegistryDown,
        K::TruncatePushes,
        K::LoseReports,
        K::PullsFail,
        K::FailRestores,
        K::RestoreFresh,
        K::ClockAhead,
        K::ClockBehind,
    ]
};
