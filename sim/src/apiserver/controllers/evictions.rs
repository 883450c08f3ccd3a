use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{MANAGER, pods, taints::tolerations_of};
use crate::apiserver::{
    conditions::set_condition,
    object::{is_terminating, items, meta},
    store::{Key, Store},
};

/// Deletes the pods that do not tolerate what their node has come to, or not for so long.
///
/// What this asks for, a kubelet that is gone cannot confirm: such a pod stays, terminating, until its node is back.
pub(super) fn evict(store: &mut Store) {
    let now = store.now();
    let nodes: Vec<Arc<Value>> = store.list("", "nodes", "");
    let mut evicted: Vec<Key> = Vec::new();
    for node in &nodes {
        let taints: Vec<&Value> =
            items(&node["spec"]["taints"]).iter().filter(|taint| taint["effect"] == "NoExecute").collect();
        if taints.is_empty() {
            continue;
        }
        let pods = store.entries("", "pods", "").filter(|(_, pod)| {
            pod["spec"]["nodeName"] == meta(node, "name")
                && !is_terminating(pod)
                && taints.iter().any(|taint| is_due(pod, taint, now))
        });
        evicted.extend(pods.map(|(key, _)| key.clone()));
    }
    let stamp = store.stamp();
    for key in evicted {
        let why = json!({
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": stamp,
        });
        store.rewrite(&key, MANAGER, "status", |pod| set_condition(pod, why));
        pods::delete(store, &key);
    }
}

/// Whether a taint drives a pod away by now: at once where it is not tolerated, else when the shortest time is over.
fn is_due(pod: &Value, taint: &Value, now: Timestamp) -> bool {
    let mut tolerations = tolerations_of(pod, taint).peekable();
    if tolerations.peek().is_none() {
        return true;
    }
    let since = taint["timeAdded"].as_str().and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or(now);
    let limit = tolerations.filter_map(|toleration| toleration["tolerationSeconds"].as_i64()).min();
    limit.is_some_and(|seconds| now.duration_since(since) >= SignedDuration::from_secs(seconds.max(0)))
}
