use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    claims,
    pods::{self, is_active},
};
use crate::apiserver::{
    conditions::is_ready,
    object::{is_terminating, meta, set_meta},
    store::{Key, Store},
};

/// Keeps as many pods of each ReplicaSet as it wants: which ones, it does not care, but for those that work.
pub(super) fn advance(store: &mut Store) {
    let sets: Vec<(Key, Arc<Value>)> =
        store.entries("apps", "replicasets", "").map(|(key, set)| (key.clone(), set.clone())).collect();
    for (key, set) in sets {
        claims::settle(store, &set, ("", "pods"), |_| true);
        if !is_terminating(&set) {
            scale(store, &set);
        }
        report(store, &key, &set);
    }
}

fn scale(store: &mut Store, set: &Value) {
    let wanted = usize::try_from(set["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap_or_default();
    let mut active = pods::of(store, set);
    active.retain(|(_, pod)| is_active(pod));
    for _ in active.len()..wanted {
        let mut pod = pods::of_template(set);
        set_meta(&mut pod, "generateName", json!(format!("{}-", meta(set, "name"))));
        if let Err(error) = pods::create(store, ("", "pods"), meta(set, "namespace"), pod) {
            tracing::debug!(target: "apiserver", %error, "the ReplicaSet's pod was not created");
            return;
        }
    }
    // What does the least work goes first, and of what does the same the youngest.
    let age = |pod: &Value| meta(pod, "creationTimestamp").to_owned();
    active.sort_by(|(_, a), (_, b)| {
        let rank = |pod: &Value| (is_ready(pod), pod["spec"]["nodeName"].is_string());
        rank(a).cmp(&rank(b)).then_with(|| age(b).cmp(&age(a)))
    });
    for (key, _) in active.iter().take(active.len().saturating_sub(wanted)) {
        pods::delete(store, key);
    }
}

fn report(store: &mut Store, key: &Key, set: &Value) {
    let mut active = pods::of(store, set);
    active.retain(|(_, pod)| is_active(pod));
    let ready = active.iter().filter(|(_, pod)| is_ready(pod)).count();
    let generation = set["metadata"]["generation"].clone();
    store.rewrite(key, super::MANAGER, "status", |set| {
        set["status"] = json!({ "replicas": active.len(), "observedGeneration": generation });
        for field in ["readyReplicas", "availableReplicas"] {
            if ready > 0 {
                set["status"][field] = json!(ready);
            }
        }
    });
}
