use jiff::Timestamp;
use ms2m_app::{Ledger, contract::MissingMessages};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Binding, Condition, Span};

/// What the operator knows of a migration. Everything durable is here; it can be killed at any instruction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StatefulMigrationStatus {
    /// Where the migration stands.
    pub phase: Phase,
    /// The generation of the spec that the rest is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What holds, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Every phase that was entered, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phase_transitions: Vec<PhaseTransition>,
    /// Larger than every epoch that the source has seen; recorded before it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Random value of this epoch, put into the source's RAM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The pod that owns the work at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceStatus>,
    /// The shadow pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetStatus>,
    /// The replay queue and the sync point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorStatus>,
    /// The checkpoint and its image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointStatus>,
    /// How the target catches up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayStatus>,
    /// The handover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handover: Option<HandoverStatus>,
    /// Why the migration is, or is about to be, undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<Abort>,
    /// What has been taken down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<CleanupProgress>,
    /// How long no pod owned the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Span>,
    /// The end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// Where a migration stands. The table of phases is in `protocol::table`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Phase {
    /// Accepted; everything is checked.
    #[default]
    Pending,
    /// The replay queue is bound; the source is asked for the sync point.
    Mirroring,
    /// The kubelet writes the checkpoint.
    Checkpointing,
    /// A Job pushes it as an image.
    Transferring,
    /// The shadow pod comes up from it.
    Restoring,
    /// The target reads the replay queue.
    Replaying,
    /// The source stops, the target drains and takes over.
    SwitchingOver,
    /// The workload runs on the target.
    Completed,
    /// What was done is undone, in reverse.
    RollingBack,
    /// The source owns the queue as before.
    RolledBack,
    /// Neither forward nor back without a person.
    Failed,
}

impl Phase {
    /// The phases of a migration that moves forward, in order; each can be rolled back.
    pub const FORWARD: [Self; 7] = [
        Self::Pending,
        Self::Mirroring,
        Self::Checkpointing,
        Self::Transferring,
        Self::Restoring,
        Self::Replaying,
        Self::SwitchingOver,
    ];

    /// Whether nothing more will happen.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Failed)
    }
}

/// When a phase was entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseTransition {
    /// The phase.
    pub phase: Phase,
    /// When, to the millisecond.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// The pod that owns the work at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceStatus {
    /// Its name.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// Its node.
    pub node: String,
    /// The container that holds the state.
    pub container: String,
    /// The runtime's id of that container: another one means that the RAM is gone.
    pub container_id: String,
    /// SHA-256 of what shadows are made from, as `keep_shadow_template` has it in an annotation: whoever may write migrations may
    /// write that, and not this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_digest: Option<String>,
    /// When it was last asked who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub probe_sent_at: Option<Timestamp>,
}

/// The shadow pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetStatus {
    /// The node that was chosen.
    pub node: String,
    /// Its name.
    pub pod: String,
    /// UID of the pod that is current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// When that pod was first seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub seen_at: Option<Timestamp>,
    /// How often the shadow was created.
    pub incarnations: u32,
    /// UIDs of earlier ones, whose control queues are deleted in the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<String>,
    /// The current process's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Sessions that it replaced, the latest last: what is said late in their name counts for nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub past_sessions: Vec<String>,
    /// When `START_REPLAY` was last sent to this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub start_replay_sent_at: Option<Timestamp>,
    /// Whether this session has answered it.
    pub replay_started: bool,
}

/// The replay queue and the sync point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MirrorStatus {
    /// Name of the replay queue `R`.
    pub replay_queue: String,
    /// The bindings of `Q` at the start, and so of `R`.
    pub bindings: Vec<Binding>,
    /// When `R` was known to be bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub bound_at: Option<Timestamp>,
    /// When the `SYNC` marker was last sent after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub sync_sent_at: Option<Timestamp>,
    /// What the source's state contained at the sync point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "ledger_schema")]
    pub synced: Option<Ledger>,
}

/// The checkpoint and its image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckpointStatus {
    /// How often the kubelet was asked.
    pub attempts: u32,
    /// What it said last, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_attempt_at: Option<Timestamp>,
    /// When it was asked last, until how that went is on record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub asked_at: Option<Timestamp>,
    /// When it was asked last without that anybody heard how it went: that checkpoint may be under way still.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub unheard_at: Option<Timestamp>,
    /// Path of the archive on the source's node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Size of the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The image, by digest: `repository@sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Digest of the image's manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
}

/// How the target catches up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplayStatus {
    /// Messages in `R` that the target has not read.
    pub lag: u64,
    /// Messages per second that arrive, λ.
    pub arrival_rate: f64,
    /// Messages per second that the target can apply, μ; absent until it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply_rate: Option<f64>,
    /// How long a command to the target and its answer take, which the handover waits for several times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<Span>,
    /// Predicted pause, were the handover now: lag / μ, and the handover's own round trips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<Span>,
    /// Messages that the target read in this session.
    pub read: u64,
    /// Of those: applied.
    pub applied: u64,
    /// Of those: skipped, because the ledger held them.
    pub skipped: u64,
    /// Held back, because a predecessor is missing.
    pub held: u64,
    /// Since when messages are held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub held_since: Option<Timestamp>,
    /// Messages in `R` at the last measurement.
    pub arrived: u64,
    /// How many measurements the rates come from.
    pub samples: u32,
    /// How many of the last measurements in a row found the lag not shrinking.
    pub stalled: u32,
    /// When the last one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub measured_at: Option<Timestamp>,
}

/// The handover.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HandoverStatus {
    /// Why the cutoff was decided.
    pub cutoff: String,
    /// When `STOP` was first sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub stop_first_sent_at: Option<Timestamp>,
    /// When `STOP` was last sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub stop_sent_at: Option<Timestamp>,
    /// When the source was known to be stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub stopped_at: Option<Timestamp>,
    /// What its state contained then; absent with `stoppedAt` set means that nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "ledger_schema")]
    pub stopped: Option<Ledger>,
    /// Which `END` of the session was asked for last.
    pub round: u32,
    /// The session that round was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_session: Option<String>,
    /// When that `END` was last sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub end_sent_at: Option<Timestamp>,
    /// When the session reported a gap in that round.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub gap_at: Option<Timestamp>,
    /// Whether a gap was asked about once more, after a pause.
    pub asked_again: bool,
    /// What is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "missing_schema")]
    pub missing: Vec<MissingMessages>,
    /// The session that has drained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drained_session: Option<String>,
    /// The last round that it drained.
    pub drained_round: u32,
    /// The point of no return: before it every failure rolls back, after it every failure rolls forward.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub point_of_no_return: Option<Timestamp>,
    /// When `TAKE_OVER` was last sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub take_over_sent_at: Option<Timestamp>,
    /// When the target said that it owns the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub switched_at: Option<Timestamp>,
    /// The session that said so last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switched_session: Option<String>,
}

/// Why a migration is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Abort {
    /// One of `reason`.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// When it was decided.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// When the source was first asked for its proof, or could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub asked_at: Option<Timestamp>,
    /// Whether the source has proved, by the nonce, that its RAM is the one that was checkpointed; required once an
    /// image exists, else the migration rolls forward.
    pub proven: bool,
    /// Whether the source could not prove it: the migration rolls forward.
    #[serde(default)]
    pub refused: bool,
    /// Whether that is so because it said nothing at all: it may have its RAM, and is asked again before the migration fails.
    #[serde(default)]
    pub silent: bool,
}

/// What has been taken down, at the end or when rolling back.
#[allow(clippy::struct_excessive_bools, reason = "each is a step of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CleanupProgress {
    /// The Service was pointed at the target.
    pub routed: bool,
    /// The source pod is verifiably gone.
    pub source_gone: bool,
    /// When `R` lost its bindings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub unbound_at: Option<Timestamp>,
    /// The last round of `END`, sent after `R` lost its bindings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_round: Option<u32>,
    /// The target read `R` to its very end.
    pub drained: bool,
    /// The shadow pod is verifiably gone.
    pub shadow_gone: bool,
    /// `R` is deleted.
    pub replay_deleted: bool,
    /// When `RESUME` was last sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub resume_sent_at: Option<Timestamp>,
    /// The source owns `Q` again.
    pub resumed: bool,
    /// The transfer Job is gone.
    pub job_gone: bool,
    /// When the clean-up Job was first seen at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cleanup_job_seen_at: Option<Timestamp>,
    /// Since when the API server refuses to have it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cleanup_job_refused_at: Option<Timestamp>,
    /// Archive and, by policy, image are deleted.
    pub checkpoint_gone: bool,
    /// Why they could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_left: Option<String>,
    /// The clean-up Job is gone.
    pub cleanup_job_gone: bool,
    /// Control queues of pods that are gone are deleted.
    pub control_deleted: bool,
    /// The source's label is removed, or the source is.
    pub unlabelled: bool,
    /// The replies queue is deleted.
    pub replies_deleted: bool,
}

/// The end of a migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The terminal phase.
    pub result: Phase,
    /// One of `reason`.
    pub reason: String,
    /// A sentence: what is where, and which messages.
    pub message: String,
    /// From the start to the end.
    pub total: Span,
}

fn ledger_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // As one value: the owners of its fields, one by one, would take more room in the object than the ledger does.
    schemars::json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

fn missing_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "producer": { "type": "string" },
                "first": { "type": "integer", "format": "int64" },
                "last": { "type": "integer", "format": "int64" },
            },
        },
    })
}
