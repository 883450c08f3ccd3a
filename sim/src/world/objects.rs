//! The objects that a user creates: the workload, the Secret, the migration.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    counter::IDENTITY_FILE,
    names::{Names, node},
    routes::Routes,
    sidecar::{SIDECAR, SIDECAR_IMAGE},
};
use crate::plan::{Owner, Scenario, TargetBy, Workload};

/// Namespace of everything.
pub(super) const NAMESPACE: &str = "default";
/// Name of the container that is moved.
const CONTAINER: &str = "counter";
/// Image of the transfer Jobs; the operator's own.
pub(super) const OPERATOR_IMAGE: &str = "registry:5000/ms2m:1";
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

/// A pod of another application.
pub(super) fn another_pod(name: &str) -> Value {
    let workload = Workload::default();
    let mut pod = source_pod(Names::of(0, &workload), &workload);
    pod["metadata"] = json!({ "name": name, "namespace": NAMESPACE });
    pod["spec"]["containers"][0]["image"] = json!(format!("registry:5000/{name}:1"));
    pod
}

/// A pod that has nothing to do with the migration.
pub(super) fn unrelated_pod(name: &str) -> Value {
    let workload = Workload::default();
    let mut pod = source_pod(Names::of(0, &workload), &workload);
    pod["metadata"] = json!({ "name": name, "namespace": NAMESPACE });
    // It fits on no node: whoever ran it would want the queue.
    pod["spec"]["nodeName"] = Value::Null;
    pod["spec"]["nodeSelector"] = json!({ "zone": "moon" });
    pod
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

pub(super) fn source_pod(names: Names, workload: &Workload) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": names.source(), "namespace": NAMESPACE, "labels": { "app": names.service() },
        },
        "spec": {
            "nodeName": names.source_node(workload),
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": CONTAINER,
                "image": names.image(),
                "volumeMounts": [{ "name": "identity", "mountPath": parent(IDENTITY_FILE) }],
            }],
            "volumes": [{
                "name": "identity",
                "downwardAPI": { "items": [{ "path": "pod-uid", "fieldRef": { "fieldPath": "metadata.uid" } }] },
            }],
        },
    });
    if workload.wording.sidecar {
        add_sidecar(&mut pod, SIDECAR_IMAGE);
    }
    if let Some(seconds) = workload.toleration_s {
        pod["spec"]["tolerations"] =
            json!(["not-ready", "unreachable"].map(|state| tolerated(state, seconds)));
    }
    pod
}

/// Puts a container before the one that is moved: whoever takes the first takes the wrong one.
pub(super) fn add_sidecar(pod: &mut Value, image: &str) {
    if let Some(containers) = pod["spec"]["containers"].as_array_mut() {
        containers.insert(0, json!({ "name": SIDECAR, "image": image }));
    }
}

/// Gives the container a folder that is not its own: what it writes there is no part of its checkpoint.
pub(super) fn add_volume(pod: &mut Value) {
    let parts = [
        ("/spec/volumes", json!({ "name": "scratch", "emptyDir": {} })),
        ("/spec/containers/0/volumeMounts", json!({ "name": "scratch", "mountPath": "/scratch" })),
    ];
    for (list, part) in parts {
        if let Some(list) = pod.pointer_mut(list).and_then(Value::as_array_mut) {
            list.push(part);
        }
    }
}

/// The labels of a node, for those who say by labels where to: the two nodes between which a workload moves have its own.
pub(super) fn node_labels(name: &str, scenario: &Scenario) -> BTreeMap<String, String> {
    let has_a_part =
        |workload: &Workload| [workload.source, workload.target].map(node).iter().any(|one| one == name);
    let workloads = scenario.workloads.iter().enumerate().filter(|(_, workload)| has_a_part(workload));
    workloads.map(|(index, workload)| (pool(Names::of(index, workload)), "yes".to_owned())).collect()
}

fn pool(names: Names) -> String {
    format!("pool/{}", names.service())
}

/// A state of its node that a pod tolerates for so long.
fn tolerated(state: &str, seconds: u32) -> Value {
    json!({
        "key": format!("node.kubernetes.io/{state}"), "operator": "Exists", "effect": "NoExecute",
        "tolerationSeconds": seconds,
    })
}

/// What makes the source, where it is no bare pod.
pub(super) fn pod_owner(names: Names, workload: &Workload, owner: Owner) -> Value {
    let mut template = source_pod(names, workload);
    template["metadata"] = json!({ "labels": template["metadata"]["labels"] });
    template["spec"]["nodeName"] = Value::Null;
    template["spec"]["nodeSelector"] = json!({ "kubernetes.io/hostname": node(workload.source) });
    let mut object = json!({
        "apiVersion": "apps/v1",
        "metadata": { "name": names.service(), "namespace": NAMESPACE },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": template["metadata"]["labels"] },
            "template": { "metadata": template["metadata"], "spec": template["spec"] },
        },
    });
    match owner {
        Owner::StatefulSet => {
            object["kind"] = json!("StatefulSet");
            object["spec"]["serviceName"] = json!(names.service());
        }
        Owner::Deployment => {
            object["kind"] = json!("Deployment");
            // Two that consume one queue are one too many.
            object["spec"]["strategy"] = json!({ "type": "Recreate" });
        }
    }
    object
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(parent, _)| parent)
}

pub(super) fn service(names: Names) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": names.service(), "namespace": NAMESPACE },
        "spec": { "selector": { "app": names.service() }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    })
}

pub(super) fn migration(names: Names, source_pod: &str, workload: &Workload) -> Value {
    let knobs = &workload.knobs;
    let ms = |ms: u64| format!("{ms}ms");
    let mut object = json!({
        "apiVersion": "migration.ms2m.io/v1alpha1", "kind": "StatefulMigration",
        "metadata": { "name": names.migration(), "namespace": NAMESPACE },
        "spec": {
            "sourcePod": source_pod,
            "target": { "nodeName": names.target_node(workload) },
            "broker": {
                "kind": "RabbitMQ",
                "urlSecret": { "name": "broker", "key": "url" },
                "managementUrlSecret": { "name": "broker", "key": "management" },
                "queue": names.queue(),
            },
            "transfer": { "repository": "registry:5000/checkpoints" },
            "replay": {
                "maxPause": ms(knobs.max_pause),
                "deadline": ms(knobs.replay),
                "onDeadline": knobs.on_deadline,
                "settle": ms(knobs.settle),
            },
            "deadlines": {
                "pending": ms(knobs.pending),
                "mirroring": ms(knobs.mirroring),
                "checkpointing": ms(knobs.checkpointing),
                "transferring": ms(knobs.transferring),
                "restoring": ms(knobs.restoring),
                "switchingOver": ms(knobs.switching_over),
            },
            "attempts": { "checkpoints": knobs.checkpoints, "shadows": knobs.shadows },
            "retainCheckpoint": knobs.retain_checkpoint,
        },
    });
    word(&mut object["spec"], names, workload);
    object
}

/// The same in the words of the workload.
fn word(spec: &mut Value, names: Names, workload: &Workload) {
    let wording = workload.wording;
    if wording.target == TargetBy::Labels {
        spec["target"] = json!({ "nodeSelector": { pool(names): "yes" } });
    }
    if wording.sidecar {
        spec["container"] = json!(CONTAINER);
    }
    if wording.bindings {
        spec["broker"]["bindings"] = json!(Routes::of(names, workload.shape).told());
        if let Some(broker) = spec["broker"].as_object_mut() {
            broker.remove("managementUrlSecret");
        }
    }
}
