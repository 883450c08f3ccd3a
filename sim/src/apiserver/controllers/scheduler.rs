use serde_json::{Value, json};

use super::set_condition;
use crate::apiserver::{
    object::{is_terminating, items, meta},
    store::{Key, Store},
};

const MANAGER: &str = "kube-scheduler";

/// Gives each waiting pod the first ready node by name whose labels match its node selector. Affinity, taints and
/// resources are not looked at.
pub(super) fn bind_pods(store: &mut Store) {
    let waiting: Vec<(Key, Value)> = store
        .entries("", "pods", "")
        .filter(|(_, pod)| is_waiting(pod))
        .map(|(key, pod)| (key.clone(), pod["spec"]["nodeSelector"].clone()))
        .collect();
    for (key, selector) in waiting {
        let nodes = store.list("", "nodes", "");
        let chosen = nodes.iter().find(|node| is_schedulable(node) && has_labels(node, &selector));
        let node = chosen.map(|node| meta(node, "name").to_owned());
        let now = store.stamp();
        let count = nodes.len();
        store.rewrite(&key, MANAGER, "", |pod| match node {
            Some(node) => {
                pod["spec"]["nodeName"] = json!(node);
                let scheduled = json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": now });
                set_condition(pod, scheduled);
            }
            None => set_condition(
                pod,
                json!({
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": format!(
                        "0/{count} nodes are available: none is ready, schedulable and matches the Pod's node selector."
                    ),
                    "lastTransitionTime": now,
                }),
            ),
        });
    }
}

fn is_waiting(pod: &Value) -> bool {
    pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty)
        && pod["spec"]["schedulerName"] == "default-scheduler"
        && !is_terminating(pod)
}

fn is_schedulable(node: &Value) -> bool {
    let is_ready = items(&node["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    is_ready && node["spec"]["unschedulable"] != true && !is_terminating(node)
}

fn has_labels(node: &Value, selector: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    selector.as_object().into_iter().flatten().all(|(name, value)| labels.get(name) == Some(value))
}
