//! Condition types and reasons: stable words that programs may compare.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A condition as every Kubernetes API has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// One of [`condition`].
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One of [`reason`].
    pub reason: String,
    /// A sentence that says what is the case, and what to do where something is to be done.
    pub message: String,
    /// When `status` last changed, RFC 3339 in UTC.
    pub last_transition_time: String,
    /// The generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

/// Condition types.
pub mod condition {
    /// Every check before the start has passed.
    pub const READY: &str = "PreflightPassed";
    /// The migration moves forward.
    pub const PROGRESSING: &str = "Progressing";
    /// The workload runs on the target.
    pub const COMPLETED: &str = "Completed";
    /// The migration did not do what was asked.
    pub const FAILED: &str = "Failed";
    /// What cannot be detected or was left behind; the migration goes on.
    pub const DEGRADED: &str = "Degraded";
}

/// Reasons.
pub mod reason {
    /// The spec makes no sense.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// `strategy: Sequential`.
    pub const STRATEGY_NOT_IMPLEMENTED: &str = "StrategyNotImplemented";
    /// No such pod.
    pub const SOURCE_NOT_FOUND: &str = "SourceNotFound";
    /// The pod is there, but does not run, or is being deleted.
    pub const SOURCE_NOT_RUNNING: &str = "SourceNotRunning";
    /// No such container in the pod.
    pub const CONTAINER_NOT_FOUND: &str = "ContainerNotFound";
    /// The pod has several containers and the spec names none.
    pub const CONTAINER_AMBIGUOUS: &str = "ContainerAmbiguous";
    /// The pod's controller would recreate it.
    pub const SOURCE_HAS_OWNER: &str = "SourceHasOwner";
    /// Another migration moves this pod.
    pub const SOURCE_BUSY: &str = "SourceBusy";
    /// The container writes to a volume, which a checkpoint does not have.
    pub const VOLUME_NOT_CARRIED: &str = "VolumeNotCarried";
    /// No such volume in the pod.
    pub const VOLUME_NOT_FOUND: &str = "VolumeNotFound";
    /// No such node, or none that matches.
    pub const TARGET_NOT_FOUND: &str = "TargetNotFound";
    /// The node is not ready, or is the source's.
    pub const TARGET_UNSUITABLE: &str = "TargetUnsuitable";
    /// A pod with the shadow's name exists already.
    pub const SHADOW_NAME_TAKEN: &str = "ShadowNameTaken";
    /// A Secret or a key of it is missing, or its value is no URL.
    pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
    /// The URL in the Secret cannot be read.
    pub const SECRET_INVALID: &str = "SecretInvalid";
    /// The broker does not answer.
    pub const BROKER_UNREACHABLE: &str = "BrokerUnreachable";
    /// The broker refused the credentials or the permission.
    pub const BROKER_REFUSED: &str = "BrokerRefused";
    /// The operator does not run the image that the spec names for the transfer.
    pub const TRANSFER_IMAGE_NOT_PERMITTED: &str = "TransferImageNotPermitted";
    /// A right is missing.
    pub const PERMISSION_MISSING: &str = "PermissionMissing";
    /// The application does not answer on its control queue.
    pub const SOURCE_NOT_MIGRATABLE: &str = "SourceNotMigratable";
    /// The source answered, but does not own the queue.
    pub const SOURCE_NOT_OWNER: &str = "SourceNotOwner";
    /// An application says numbers that it cannot have counted: it does not keep to docs/app-contract.md.
    pub const REPLY_IMPOSSIBLE: &str = "ReplyImpossible";
    /// The source's ledger is larger than what an object can hold.
    pub const LEDGER_TOO_LARGE: &str = "LedgerTooLarge";
    /// Messages carry no sequence: gaps cannot be detected.
    pub const MESSAGES_UNSEQUENCED: &str = "MessagesUnsequenced";
    /// Everything was checked.
    pub const CHECKS_PASSED: &str = "ChecksPassed";
    /// Checks are under way.
    pub const CHECKING: &str = "Checking";
    /// The phase's work is under way.
    pub const IN_PROGRESS: &str = "InProgress";
    /// `Q`'s bindings changed before the sync point.
    pub const BINDINGS_CHANGED: &str = "BindingsChanged";
    /// The phase took longer than its deadline.
    pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
    /// The replay took longer than `replay.deadline`, and `onDeadline` is `Rollback`.
    pub const REPLAY_DEADLINE_EXCEEDED: &str = "ReplayDeadlineExceeded";
    /// The node lacks what a checkpoint needs.
    pub const CHECKPOINT_UNSUPPORTED: &str = "CheckpointUnsupported";
    /// The kubelet could not write the checkpoint.
    pub const CHECKPOINT_FAILED: &str = "CheckpointFailed";
    /// The transfer Job failed.
    pub const TRANSFER_FAILED: &str = "TransferFailed";
    /// The shadow pod came up, but without the source's RAM.
    pub const RESTORED_FRESH: &str = "RestoredFresh";
    /// The shadow pod cannot start.
    pub const RESTORE_FAILED: &str = "RestoreFailed";
    /// The source ended before a checkpoint image existed.
    pub const SOURCE_LOST: &str = "SourceLost";
    /// The replay queue disappeared.
    pub const REPLAY_QUEUE_LOST: &str = "ReplayQueueLost";
    /// Messages of the source's ledger are neither in the target's state nor in the replay queue.
    pub const GAP: &str = "Gap";
    /// The object was deleted.
    pub const CANCELLED: &str = "Cancelled";
    /// The source owns the queue again and nothing is left behind.
    pub const ROLLED_BACK: &str = "RolledBack";
    /// The workload runs on the target.
    pub const MIGRATED: &str = "Migrated";
    /// Something could not be removed; the message says what and where.
    pub const LEFT_BEHIND: &str = "LeftBehind";
}
