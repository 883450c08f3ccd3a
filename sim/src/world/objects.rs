//! The objects that a user creates: the workload, the Secret, the migration.

use serde_json::{Value, json};

use super::counter::IDENTITY_FILE;

/// Namespace of everything.
pub(super) const NAMESPACE: &str = "default";
/// Name of the source pod.
pub(super) const SOURCE: &str = "counter";
/// Name of the migration.
pub(super) const MIGRATION: &str = "move";
/// The counter's image.
pub(super) const COUNTER_IMAGE: &str = "registry:5000/counter:1";
/// Image of the transfer Jobs; the operator's own.
pub(super) const OPERATOR_IMAGE: &str = "registry:5000/ms2m:1";
/// The primary queue `Q`.
pub(super) const QUEUE: &str = "orders";
/// The exchange that it is bound to.
pub(super) const EXCHANGE: &str = "shop";
/// Its binding's key.
pub(super) const ROUTING_KEY: &str = "orders.new";
/// Where the counter's outputs go.
pub(super) const RESULTS: &str = "results";
/// The nodes.
pub(super) const NODES: [&str; 2] = ["node-1", "node-2"];
/// The broker, as everybody knows it.
pub(super) const AMQP_URL: &str = "amqp://guest:guest@rabbitmq:5672/%2f?heartbeat=5";

pub(super) fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": "broker", "namespace": NAMESPACE },
        "stringData": { "url": AMQP_URL, "management": "http://guest:guest@rabbitmq:15672" },
        "data": {
            "url": base64(AMQP_URL),
            "management": base64("http://guest:guest@rabbitmq:15672"),
        },
    })
}

/// A Secret that says where a broker is, but not the right one.
pub(super) fn secret_with_url(name: &str, url: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "data": { "url": base64(url) },
    })
}

/// What looks after the source.
pub(super) fn owner() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "counters", "namespace": NAMESPACE },
    })
}

/// A pod that has nothing to do with the migration.
pub(super) fn unrelated_pod(name: &str) -> Value {
    let mut pod = source_pod();
    pod["metadata"] = json!({ "name": name, "namespace": NAMESPACE });
    // Of no node: nobody runs it.
    pod["spec"]["nodeName"] = Value::Null;
    pod
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

pub(super) fn source_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": SOURCE, "namespace": NAMESPACE, "labels": { "app": "counter" } },
        "spec": {
            "nodeName": NODES[0],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "counter",
                "image": COUNTER_IMAGE,
                "volumeMounts": [{ "name": "identity", "mountPath": parent(IDENTITY_FILE) }],
            }],
            "volumes": [{
                "name": "identity",
                "downwardAPI": { "items": [{ "path": "pod-uid", "fieldRef": { "fieldPath": "metadata.uid" } }] },
            }],
        },
    })
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(parent, _)| parent)
}

pub(super) fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "counter", "namespace": NAMESPACE },
        "spec": { "selector": { "app": "counter" }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    })
}

pub(super) fn migration() -> Value {
    json!({
        "apiVersion": "migration.ms2m.io/v1alpha1", "kind": "StatefulMigration",
        "metadata": { "name": MIGRATION, "namespace": NAMESPACE },
        "spec": {
            "sourcePod": SOURCE,
            "target": { "nodeName": NODES[1] },
            "broker": {
                "kind": "RabbitMQ",
                "urlSecret": { "name": "broker", "key": "url" },
                "managementUrlSecret": { "name": "broker", "key": "management" },
                "queue": QUEUE,
            },
            "transfer": { "repository": "registry:5000/checkpoints" },
        },
    })
}
