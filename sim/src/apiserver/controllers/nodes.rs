use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::MANAGER;
use crate::apiserver::{
    conditions::{is_ready, readiness, set_condition},
    object::meta,
    store::{Key, Store},
};

const LEASE_NAMESPACE: &str = "kube-node-lease";

/// Marks nodes whose kubelet has let its lease run out as unknown, also those that it had said are not ready, and the pods of
/// those that were as not ready. A node without a lease is left alone: a fixture has none.
pub(super) fn give_up_silent(store: &mut Store, since: Timestamp) {
    let now = store.now();
    let silent: Vec<String> = store
        .list("coordination.k8s.io", "leases", LEASE_NAMESPACE)
        .iter()
        .filter(|lease| is_run_out(lease, now, since))
        .map(|lease| meta(lease, "name").to_owned())
        .collect();
    for name in silent {
        let key = Key {
            group: String::new(),
            plural: "nodes".to_owned(),
            namespace: String::new(),
            name: name.clone(),
        };
        let was_ready = match store.get(&key).and_then(|node| readiness(node)) {
            Some("True") => true,
            Some("False") => false,
            _ => continue,
        };
        let stamp = store.stamp();
        store.rewrite(&key, MANAGER, "status", |node| {
            set_condition(
                node,
                json!({
                    "type": "Ready",
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastTransitionTime": stamp,
                }),
            );
        });
        if was_ready {
            give_up_pods(store, &name);
        }
    }
}

fn give_up_pods(store: &mut Store, node: &str) {
    let pods: Vec<Key> = store
        .entries("", "pods", "")
        .filter(|(_, pod)| pod["spec"]["nodeName"] == node && is_ready(pod))
        .map(|(key, _)| key.clone())
        .collect();
    let stamp = store.stamp();
    for key in pods {
        let unready = json!({ "type": "Ready", "status": "False", "lastTransitionTime": stamp });
        store.rewrite(&key, MANAGER, "status", |pod| set_condition(pod, unready));
    }
}

fn is_run_out(lease: &Value, now: Timestamp, since: Timestamp) -> bool {
    let renewed = lease["spec"]["renewTime"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let lasts = SignedDuration::from_secs(lease["spec"]["leaseDurationSeconds"].as_i64().unwrap_or(40));
    renewed.is_some_and(|renewed| now.duration_since(renewed.max(since)) > lasts)
}
