use std::sync::Arc;

use serde_json::{Value, json};

use super::node_fit::{obstacle, verdict};
use crate::apiserver::{
    binding::bind,
    conditions::set_condition,
    object::{is_terminating, meta},
    store::{Key, Store},
};

const MANAGER: &str = "kube-scheduler";

/// Binds each waiting pod to the first node by name that it fits on, or says why there is none; it is tried again whenever
/// something changes.
///
/// A real scheduler chooses among the nodes that fit by scores; affinity between pods, spreading, volumes, ports and
/// preferences are not looked at, and no pod makes room for another.
pub(super) fn bind_pods(store: &mut Store) {
    let waiting: Vec<(Key, Arc<Value>)> = store
        .entries("", "pods", "")
        .filter(|(_, pod)| is_waiting(pod))
        .map(|(key, pod)| (key.clone(), pod.clone()))
        .collect();
    for (key, pod) in waiting {
        let nodes = store.list("", "nodes", "");
        let mut obstacles = Vec::new();
        let chosen = nodes.iter().find(|node| match obstacle(store, node, &pod) {
            Some(found) => {
                obstacles.push(found);
                false
            }
            None => true,
        });
        match chosen {
            Some(node) => {
                if let Err(error) = bind(store, &key, meta(node, "name"), &Value::Null) {
                    tracing::debug!(target: "apiserver", %error, "the pod was not bound");
                }
            }
            None => refuse(store, &key, &verdict(&nodes, &obstacles)),
        }
    }
}

fn is_waiting(pod: &Value) -> bool {
    pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty)
        && pod["spec"]["schedulerName"] == "default-scheduler"
        && !is_terminating(pod)
}

fn refuse(store: &mut Store, key: &Key, message: &str) {
    let condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": store.stamp(),
    });
    store.rewrite(key, MANAGER, "status", |pod| set_condition(pod, condition));
}
