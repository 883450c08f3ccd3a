use std::sync::Arc;

use serde_json::{Value, json};

use super::{MANAGER, claims, pods, template_hash::template_hash};
use crate::apiserver::{
    delete::is_owned_by,
    object::{child, is_terminating, meta, set_meta},
    store::{Key, Store},
};

/// The label by which each ReplicaSet of a Deployment knows its own pods.
const HASH: &str = "pod-template-hash";

/// Keeps a ReplicaSet for the template of each Deployment, and lets those of earlier templates go to sleep.
///
/// A rolling update is one step wide: the new pods are all started, and the old ones end when those are ready.
pub(super) fn advance(store: &mut Store) {
    let all: Vec<(Key, Arc<Value>)> =
        store.entries("apps", "deployments", "").map(|(key, one)| (key.clone(), one.clone())).collect();
    for (key, deployment) in all {
        claims::settle(store, &deployment, ("apps", "replicasets"), |_| true);
        if !is_terminating(&deployment) && deployment["spec"]["paused"] != true {
            roll(store, &deployment);
        }
        report(store, &key, &deployment);
    }
}

fn sets_of(store: &Store, deployment: &Value) -> Vec<(Key, Arc<Value>)> {
    let uid = meta(deployment, "uid");
    store
        .entries("apps", "replicasets", meta(deployment, "namespace"))
        .filter(|(_, set)| is_owned_by(set, uid))
        .map(|(key, set)| (key.clone(), set.clone()))
        .collect()
}

fn roll(store: &mut Store, deployment: &Value) {
    let hash = template_hash(&deployment["spec"]["template"]);
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let (current, old): (Vec<_>, Vec<_>) = sets_of(store, deployment)
        .into_iter()
        .partition(|(_, set)| set["metadata"]["labels"][HASH] == hash.as_str());
    let recreates = deployment["spec"]["strategy"]["type"] == "Recreate";
    let is_held_up = recreates && old.iter().any(|(_, set)| !pods::of(store, set).is_empty());
    let ready = match current.first() {
        Some((key, set)) => {
            scale(store, key, if is_held_up { 0 } else { wanted });
            set["status"]["readyReplicas"].as_i64().unwrap_or_default()
        }
        None if !is_held_up => {
            create(store, deployment, &hash, wanted);
            0
        }
        None => 0,
    };
    if recreates || ready >= wanted {
        for (key, _) in old {
            scale(store, &key, 0);
        }
    }
}

fn scale(store: &mut Store, set: &Key, replicas: i64) {
    store.rewrite(set, MANAGER, "", |set| {
        if set["spec"]["replicas"] != replicas {
            set["spec"]["replicas"] = json!(replicas);
            let generation = set["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
            set_meta(set, "generation", json!(generation));
        }
    });
}

fn create(store: &mut Store, deployment: &Value, hash: &str, replicas: i64) {
    let mut spec = json!({
        "replicas": replicas,
        "selector": deployment["spec"]["selector"],
        "template": deployment["spec"]["template"],
    });
    child(&mut spec["selector"], "matchLabels").insert(HASH.to_owned(), json!(hash));
    child(&mut spec["template"]["metadata"], "labels").insert(HASH.to_owned(), json!(hash));
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", meta(deployment, "name")),
            "labels": spec["template"]["metadata"]["labels"],
            "ownerReferences": [pods::controlled_by(deployment)],
        },
        "spec": spec,
    });
    if let Err(error) = pods::create(store, ("apps", "replicasets"), meta(deployment, "namespace"), set) {
        tracing::debug!(target: "apiserver", %error, "the Deployment's ReplicaSet was not created");
    }
}

fn report(store: &mut Store, key: &Key, deployment: &Value) {
    let sets = sets_of(store, deployment);
    let sum = |field: &str| -> i64 { sets.iter().filter_map(|(_, set)| set["status"][field].as_i64()).sum() };
    let (replicas, ready) = (sum("replicas"), sum("readyReplicas"));
    let hash = template_hash(&deployment["spec"]["template"]);
    let updated = sets.iter().find(|(_, set)| set["metadata"]["labels"][HASH] == hash.as_str());
    let updated = updated.and_then(|(_, set)| set["status"]["replicas"].as_i64()).unwrap_or_default();
    let generation = deployment["metadata"]["generation"].clone();
    store.rewrite(key, MANAGER, "status", |deployment| {
        deployment["status"] = json!({ "observedGeneration": generation });
        for (field, count) in [
            ("replicas", replicas),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
        ] {
            if count > 0 {
                deployment["status"][field] = json!(count);
            }
        }
    });
}
