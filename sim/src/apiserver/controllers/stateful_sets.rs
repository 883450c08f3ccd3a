use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    MANAGER, claims,
    pods::{self, is_over},
    template_hash::template_hash,
};
use crate::apiserver::{
    conditions::is_ready,
    object::{child, is_terminating, meta, set_meta},
    store::{Key, Store},
};

type Ordinals = BTreeMap<i64, (Key, Arc<Value>)>;

/// Keeps the pods of each StatefulSet: one per ordinal, each with a name that it gets again after its deletion, one after
/// the other. A template that is changed is for new pods, as with the strategy `OnDelete`.
pub(super) fn advance(store: &mut Store) {
    let sets: Vec<(Key, Arc<Value>)> =
        store.entries("apps", "statefulsets", "").map(|(key, set)| (key.clone(), set.clone())).collect();
    for (key, set) in sets {
        let name = meta(&set, "name");
        claims::settle(store, &set, ("", "pods"), |pod| ordinal_of(name, pod).is_some());
        if !is_terminating(&set) {
            step(store, &set);
        }
        report(store, &key, &set);
    }
}

/// The ordinal in a pod's name, if it is one that the set gives.
fn ordinal_of(set: &str, pod: &str) -> Option<i64> {
    let ordinal = pod.strip_prefix(set)?.strip_prefix('-')?;
    let is_plain = ordinal.bytes().all(|byte| byte.is_ascii_digit());
    ordinal.parse().ok().filter(|_| is_plain && (ordinal == "0" || !ordinal.starts_with('0')))
}

fn pods_of(store: &Store, set: &Value) -> Ordinals {
    let name = meta(set, "name");
    let numbered = |(key, pod): (Key, Arc<Value>)| Some((ordinal_of(name, &key.name)?, (key, pod)));
    pods::of(store, set).into_iter().filter_map(numbered).collect()
}

/// One step: the first pod that is not as it should be is seen to, and while it is not, in order, no other one is.
fn step(store: &mut Store, set: &Value) {
    let spec = &set["spec"];
    let start = spec["ordinals"]["start"].as_i64().unwrap_or_default();
    let end = start + spec["replicas"].as_i64().unwrap_or(1);
    let in_order = spec["podManagementPolicy"] != "Parallel";
    let found = pods_of(store, set);
    for ordinal in start..end {
        let is_well = match found.get(&ordinal) {
            None => {
                create(store, set, ordinal);
                false
            }
            Some((key, pod)) if is_over(pod) && !is_terminating(pod) => {
                pods::delete(store, key);
                false
            }
            Some((_, pod)) => is_ready(pod) && !is_terminating(pod),
        };
        if in_order && !is_well {
            return;
        }
    }
    let surplus = found.into_iter().filter(|(ordinal, _)| !(start..end).contains(ordinal)).rev();
    for (_, (key, pod)) in surplus {
        if !is_terminating(&pod) {
            pods::delete(store, &key);
        }
        if in_order {
            return;
        }
    }
}

fn create(store: &mut Store, set: &Value, ordinal: i64) {
    let name = format!("{}-{ordinal}", meta(set, "name"));
    let mut pod = pods::of_template(set);
    let labels = child(&mut pod["metadata"], "labels");
    labels.insert("apps.kubernetes.io/pod-index".to_owned(), json!(ordinal.to_string()));
    labels.insert("controller-revision-hash".to_owned(), json!(revision(set)));
    labels.insert("statefulset.kubernetes.io/pod-name".to_owned(), json!(name));
    let spec = child(&mut pod, "spec");
    spec.insert("hostname".to_owned(), json!(name));
    if let Some(service) = set["spec"]["serviceName"].as_str().filter(|service| !service.is_empty()) {
        spec.insert("subdomain".to_owned(), json!(service));
    }
    set_meta(&mut pod, "name", json!(name));
    // The name is taken as long as somebody else's pod has it: it will be tried again.
    if let Err(error) = pods::create(store, ("", "pods"), meta(set, "namespace"), pod) {
        tracing::debug!(target: "apiserver", %error, "the StatefulSet's pod was not created");
    }
}

fn revision(set: &Value) -> String {
    format!("{}-{}", meta(set, "name"), template_hash(&set["spec"]["template"]))
}

fn report(store: &mut Store, key: &Key, set: &Value) {
    let found = pods_of(store, set);
    let ready = found.values().filter(|(_, pod)| is_ready(pod) && !is_terminating(pod)).count();
    let revision = revision(set);
    let is_current = |pod: &Value| pod["metadata"]["labels"]["controller-revision-hash"] == revision.as_str();
    let current = found.values().filter(|(_, pod)| is_current(pod)).count();
    let generation = set["metadata"]["generation"].clone();
    store.rewrite(key, MANAGER, "status", |set| {
        set["status"] = json!({
            "availableReplicas": ready,
            "collisionCount": 0,
            "observedGeneration": generation,
            "replicas": found.len(),
            "updateRevision": revision,
        });
        for (field, count) in [("readyReplicas", ready), ("updatedReplicas", current)] {
            if count > 0 {
                set["status"][field] = json!(count);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::ordinal_of;

    #[test]
    fn an_ordinal_is_a_plain_number_after_the_sets_name() {
        assert_eq!(ordinal_of("counter", "counter-0"), Some(0));
        assert_eq!(ordinal_of("counter", "counter-12"), Some(12));
        for other in
            ["counter", "counter-", "counter-01", "counter-+1", "counter-a", "counters-0", "counter-0-1"]
        {
            assert_eq!(ordinal_of("counter", other), None, "{other}");
        }
    }
}
