#![allow(unreachable_pub, reason = "the derived resource repeats the visibility in a module of its own")]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Span, StatefulMigrationStatus};

/// Moves a running, stateful, message-driven pod to another node with its RAM.
///
/// The operator checkpoints the pod, restores the checkpoint as a shadow pod on the target, lets it replay what the
/// source consumed meanwhile, and hands over. Deleting the object cancels: before the point of no return it rolls
/// back, after it it completes.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "migration.ms2m.io",
    version = "v1alpha1",
    kind = "StatefulMigration",
    namespaced,
    shortname = "sm",
    category = "ms2m",
    status = "StatefulMigrationStatus",
    derive = "PartialEq",
    doc = "Moves a running, stateful, message-driven pod to another node with its RAM, without losing a message.",
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase == 'Pending' || self.spec == oldSelf.spec")
        .message("spec is immutable once the migration has started; delete the object to cancel"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.sourcePod"),
    printcolumn(name = "Target", type_ = "string", json_path = ".status.target.node"),
    printcolumn(name = "Lag", type_ = "integer", json_path = ".status.replay.lag"),
    printcolumn(name = "Pause", type_ = "string", json_path = ".status.pause"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("[self.deadlines.mirroring, self.deadlines.switchingOver].all(deadline, duration(self.replay.settle) < duration(deadline))").message("replay.settle must be shorter than deadlines.mirroring and deadlines.switchingOver, which wait for it"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatefulMigrationSpec {
    /// Name of the pod to move, in the object's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub source_pod: String,
    /// The container that holds the state; may be left out when the pod has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Names of volumes that need not come along although the container writes to them. A migration carries the
    /// container's memory and writable layer, no volume: at the target an `emptyDir` is empty and a `hostPath` that
    /// node's, and to a claim both pods write at the same time. A pod that writes to a volume that is not named here is
    /// refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub uncarried_volumes: Vec<String>,
    /// Where to move it.
    #[x_kube(validation = Rule::new("has(self.nodeName) != has(self.nodeSelector)").message("give exactly one of nodeName and nodeSelector"))]
    pub target: TargetSpec,
    /// How the source and the target overlap.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == 'ShadowPod'").message("only ShadowPod is implemented; Sequential, for owners that allow one pod at a time, is not yet"))]
    pub strategy: Strategy,
    /// The broker and the queue that the workload consumes.
    #[x_kube(validation = Rule::new("has(self.managementUrlSecret) || (has(self.bindings) && size(self.bindings) > 0)").message("AMQP cannot tell a queue's bindings: give managementUrlSecret or bindings"))]
    pub broker: BrokerSpec,
    /// How the checkpoint travels.
    pub transfer: TransferSpec,
    /// When to stop waiting for the target to catch up.
    #[serde(default)]
    #[x_kube(
        validation = Rule::new("duration(self.maxPause) >= duration('10ms')").message("maxPause must be at least 10ms"),
        validation = Rule::new("duration(self.deadline) >= duration('1s')").message("deadline must be at least 1s"),
        validation = Rule::new("duration(self.settle) <= duration('60s')").message("settle must be at most 60s"),
        validation = Rule::new("[self.maxPause, self.deadline, self.settle].all(span, duration(span) <= duration('24h'))").message("a duration must be at most 24h")
    )]
    pub replay: ReplaySpec,
    /// How long each phase may take.
    #[serde(default)]
    #[x_kube(validation = Rule::new("[self.pending, self.mirroring, self.checkpointing, self.transferring, self.restoring, self.switchingOver].all(span, duration(span) >= duration('1s') && duration(span) <= duration('24h'))").message("every deadline must be at least 1s and at most 24h"))]
    pub deadlines: Deadlines,
    /// How often what may fail for a moment is tried.
    #[serde(default)]
    pub attempts: Attempts,
    /// Keep the checkpoint image after a completed migration. It holds every page of the process's memory, secrets
    /// included.
    #[serde(default)]
    pub retain_checkpoint: bool,
}

/// Where to move a pod: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetSpec {
    /// This node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// A node with these labels; the operator takes the first by name that is ready and not the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
}

/// How the source and the target overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// The source works on while the target is restored beside it and catches up.
    #[default]
    ShadowPod,
    /// The source ends before the target starts. Not implemented: refused.
    Sequential,
}

/// The kind of broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BrokerKind {
    /// RabbitMQ 3.9 or later, spoken to by AMQP 0.9.1.
    RabbitMQ,
}

/// The broker and the queue that the workload consumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BrokerSpec {
    /// The kind of broker.
    pub kind: BrokerKind,
    /// Secret and key that hold the AMQP URL, such as `amqp://user:password@host:5672/vhost`.
    pub url_secret: SecretKey,
    /// Secret and key that hold the URL of the management API. With it the bindings and the queue's settings are
    /// read and checked; AMQP itself cannot tell them. Without it `bindings` must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_url_secret: Option<SecretKey>,
    /// The queue that the source consumes, `Q`.
    #[schemars(length(min = 1, max = 200))]
    pub queue: String,
    /// `Q`'s bindings, where the broker cannot be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub bindings: Vec<Binding>,
}

/// A key of a Secret in the object's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A binding of `Q`, and so of the replay queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binding {
    /// Name of the exchange; never the default one, which cannot be bound.
    #[schemars(length(min = 1, max = 255))]
    pub exchange: String,
    /// Routing key or pattern; empty for fanout and headers exchanges.
    #[serde(default)]
    pub routing_key: String,
    /// Arguments of the binding, for headers exchanges: strings, numbers and booleans.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "free_form_object")]
    pub arguments: BTreeMap<String, serde_json::Value>,
}

fn free_form_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// How the checkpoint travels to the target node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferSpec {
    /// Repository for checkpoint images, such as `registry.example.com/checkpoints`. The tag is the migration's.
    #[schemars(length(min = 1, max = 400), pattern("^[^@ ]+$"))]
    pub repository: String,
    /// Secret of type `kubernetes.io/dockerconfigjson` that may push to and delete from the repository. Mounted into
    /// the transfer Job only; the operator never reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_secret: Option<String>,
    /// Image that has `ms2m`; the operator's own when left out. Any other one the operator must permit (`--permit-transfer-image`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `ConfigMap` with a key `ca.crt`: the registry's certificate authority, where nodes' roots do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map: Option<String>,
}

/// When to stop waiting for the target to catch up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplaySpec {
    /// Hand over as soon as the predicted pause is at most this.
    #[serde(default = "max_pause")]
    pub max_pause: Span,
    /// How long the target may replay before `onDeadline` is obeyed.
    #[serde(default = "replay_deadline")]
    pub deadline: Span,
    /// What happens then.
    #[serde(default)]
    pub on_deadline: OnDeadline,
    /// How long the broker may take until a binding is in force everywhere, and a routed message has arrived. `Mirroring`
    /// and `SwitchingOver` wait for it, so it must be shorter than their deadlines.
    #[serde(default = "settle")]
    pub settle: Span,
}

fn max_pause() -> Span {
    Span::from_secs(1)
}

fn replay_deadline() -> Span {
    Span::from_secs(120)
}

fn settle() -> Span {
    Span::from_millis(500)
}

impl Default for ReplaySpec {
    fn default() -> Self {
        Self {
            max_pause: max_pause(),
            deadline: replay_deadline(),
            on_deadline: OnDeadline::default(),
            settle: settle(),
        }
    }
}

/// What happens when the target has not caught up in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDeadline {
    /// Stop the source and let the target replay the rest: the pause is longer, nothing is truncated.
    #[default]
    Cutoff,
    /// Give up and leave the source as it was.
    Rollback,
}

/// How long each phase may take before the migration rolls back, or after the point of no return says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Deadlines {
    /// `Pending`: until every check passes.
    pub pending: Span,
    /// `Mirroring`: until the source has answered the sync marker.
    pub mirroring: Span,
    /// `Checkpointing`: retries included.
    pub checkpointing: Span,
    /// `Transferring`: until the image is pushed.
    pub transferring: Span,
    /// `Restoring`: until the application in the shadow pod has said who it is.
    pub restoring: Span,
    /// `SwitchingOver`: from the cutoff until the target has drained.
    pub switching_over: Span,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            pending: Span::from_secs(30),
            mirroring: Span::from_secs(60),
            checkpointing: Span::from_secs(180),
            transferring: Span::from_secs(600),
            restoring: Span::from_secs(180),
            switching_over: Span::from_secs(120),
        }
    }
}

/// How often what may fail for a moment is tried before the migration rolls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Attempts {
    /// Checkpoints: the kubelet refuses one while a connection of the pod is just being made.
    #[schemars(range(min = 1, max = 10))]
    pub checkpoints: u32,
    /// Shadow pods. Where there is no way back, because the source is gone, it is ten, and after the handover without end.
    #[schemars(range(min = 1, max = 10))]
    pub shadows: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { checkpoints: 5, shadows: 3 }
    }
}
