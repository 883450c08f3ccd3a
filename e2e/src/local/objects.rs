//! The objects that a user creates.

use ms2m_app::DEFAULT_POD_UID_FILE;
use serde_json::{Value, json};

use super::{cluster::NODES, servers};

/// Namespace of everything.
pub(super) const NAMESPACE: &str = "default";
/// Name of the source pod.
pub(super) const SOURCE: &str = "counter";
/// Name of the migration.
pub(super) const MIGRATION: &str = "move";
/// The primary queue.
pub(super) const QUEUE: &str = "orders";
/// The exchange that it is bound to.
pub(super) const EXCHANGE: &str = "shop";
/// Its binding's key.
pub(super) const ROUTING_KEY: &str = "orders.new";
/// Exchange and queue of the counter's outputs.
pub(super) const RESULTS: &str = "results";
/// Their key.
pub(super) const RESULTS_KEY: &str = "counted";
/// Port of the counter's HTTP server.
pub(super) const STATE_PORT: u16 = 8080;

/// The counter's image.
pub(super) fn counter_image() -> String {
    format!("{}/counter:1", servers::registry())
}

/// The operator's image, which transfer Jobs run.
pub(super) fn operator_image() -> String {
    format!("{}/ms2m:1", servers::registry())
}

/// The image of sandboxes.
pub(super) fn pause_image() -> String {
    format!("{}/pause:1", servers::registry())
}

pub(super) fn broker_secret() -> Value {
    use base64::Engine as _;
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "broker", "namespace": NAMESPACE},
        "data": {"url": encode(servers::amqp_url()), "management": encode(servers::management_url())},
    })
}

pub(super) fn registry_authority(pem: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "registry-ca", "namespace": NAMESPACE},
        "data": {"ca.crt": pem},
    })
}

pub(super) fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "counter", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "counter"}, "ports": [{"port": 80, "targetPort": STATE_PORT}]},
    })
}

pub(super) fn source_pod() -> Value {
    let (folder, file) = DEFAULT_POD_UID_FILE.rsplit_once('/').unwrap_or_default();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": SOURCE, "namespace": NAMESPACE, "labels": {"app": "counter"}},
        "spec": {
            "nodeName": NODES[0],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 5,
            "containers": [{
                "name": "counter",
                "image": counter_image(),
                "env": [
                    {"name": "MS2M_AMQP_URL", "valueFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
                    {"name": "MS2M_QUEUE", "value": QUEUE},
                    {"name": "MS2M_OUTPUT_EXCHANGE", "value": RESULTS},
                    {"name": "MS2M_OUTPUT_ROUTING_KEY", "value": RESULTS_KEY},
                    {"name": "MS2M_COST_MS", "value": "2"},
                ],
                "volumeMounts": [{"name": "identity", "mountPath": folder}],
            }],
            "volumes": [{
                "name": "identity",
                "downwardAPI": {"items": [{"path": file, "fieldRef": {"fieldPath": "metadata.uid"}}]},
            }],
        },
    })
}

pub(super) fn migration() -> Value {
    json!({
        "apiVersion": "migration.ms2m.io/v1alpha1", "kind": "StatefulMigration",
        "metadata": {"name": MIGRATION, "namespace": NAMESPACE},
        "spec": {
            "sourcePod": SOURCE,
            "target": {"nodeName": NODES[1]},
            "broker": {
                "kind": "RabbitMQ",
                "urlSecret": {"name": "broker", "key": "url"},
                "managementUrlSecret": {"name": "broker", "key": "management"},
                "queue": QUEUE,
            },
            "transfer": {"repository": format!("{}/checkpoints", servers::registry()), "caConfigMap": "registry-ca"},
        },
    })
}
