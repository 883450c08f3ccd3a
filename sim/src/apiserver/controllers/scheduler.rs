use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{conditions::set_condition, taints};
use crate::apiserver::{
    object::{is_terminating, meta},
    store::{Key, Store},
};

const MANAGER: &str = "kube-scheduler";

/// Gives each waiting pod the first node by name that it fits on: one with the labels that its node selector names, and
/// without a taint that it does not tolerate. Affinity and resources are not looked at.
pub(super) fn bind_pods(store: &mut Store) {
    let waiting: Vec<(Key, Arc<Value>)> = store
        .entries("", "pods", "")
        .filter(|(_, pod)| is_waiting(pod))
        .map(|(key, pod)| (key.clone(), pod.clone()))
        .collect();
    for (key, pod) in waiting {
        let nodes = store.list("", "nodes", "");
        let chosen = nodes.iter().find(|node| obstacle(node, &pod).is_none());
        let now = store.stamp();
        let condition = match chosen {
            Some(_) => json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": now }),
            None => json!({
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": obstacles(&nodes, &pod),
                "lastTransitionTime": now,
            }),
        };
        let node = chosen.map(|node| meta(node, "name").to_owned());
        store.rewrite(&key, MANAGER, "", |pod| {
            if let Some(node) = node {
                pod["spec"]["nodeName"] = json!(node);
            }
            set_condition(pod, condition);
        });
    }
}

fn is_waiting(pod: &Value) -> bool {
    pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty)
        && pod["spec"]["schedulerName"] == "default-scheduler"
        && !is_terminating(pod)
}

/// Why a pod does not fit on a node, in the scheduler's words.
fn obstacle(node: &Value, pod: &Value) -> Option<String> {
    if node["spec"]["unschedulable"] == true || is_terminating(node) {
        return Some("node(s) were unschedulable".to_owned());
    }
    if !has_labels(node, &pod["spec"]["nodeSelector"]) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    let taint = taints::keeping_off(node, pod)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(format!("node(s) had untolerated taint {{{}: {}}}", text(&taint["key"]), text(&taint["value"])))
}

/// How many nodes there are for how many reasons not to take it.
fn obstacles(nodes: &[Arc<Value>], pod: &Value) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for obstacle in nodes.iter().filter_map(|node| obstacle(node, pod)) {
        *counts.entry(obstacle).or_default() += 1;
    }
    let mut all: Vec<String> = counts.into_iter().map(|(why, count)| format!("{count} {why}")).collect();
    all.sort_unstable();
    match all.as_slice() {
        [] => "no nodes available to schedule pods".to_owned(),
        all => format!("0/{} nodes are available: {}.", nodes.len(), all.join(", ")),
    }
}

fn has_labels(node: &Value, selector: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    selector.as_object().into_iter().flatten().all(|(name, value)| labels.get(name) == Some(value))
}
