//! Taints: what keeps pods off a node, or drives them from it, and which pods that is nothing to.
//!
//! See <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>.

use serde_json::{Value, json};

use super::MANAGER;
use crate::apiserver::{
    conditions::readiness,
    object::items,
    store::{Key, Store},
};

/// The kubelet says that its node is not ready, or has said nothing yet.
const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The kubelet has fallen silent.
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// Somebody has cordoned the node.
pub(super) const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Gives each node the taints that its state asks for, and takes those away that it does not ask for any more. A node that
/// has said nothing of itself keeps those it came with.
pub(super) fn mark_nodes(store: &mut Store) {
    let nodes: Vec<(Key, Value)> = store
        .entries("", "nodes", "")
        .filter_map(|(key, node)| {
            let present = items(&node["spec"]["taints"]);
            let wanted = wanted_taints(node, present)?;
            (wanted != present).then(|| (key.clone(), json!(wanted)))
        })
        .collect();
    let now = store.stamp();
    for (key, mut taints) in nodes {
        for taint in taints.as_array_mut().into_iter().flatten() {
            if taint["effect"] == "NoExecute" && taint["timeAdded"].is_null() {
                taint["timeAdded"] = json!(now);
            }
        }
        store.rewrite(&key, MANAGER, "", |node| {
            node["spec"]["taints"] = taints;
            if items(&node["spec"]["taints"]).is_empty()
                && let Some(spec) = node["spec"].as_object_mut()
            {
                spec.remove("taints");
            }
        });
    }
}

/// Other people's taints stay, in their order.
fn wanted_taints(node: &Value, present: &[Value]) -> Option<Vec<Value>> {
    let state = match readiness(node)? {
        "True" => None,
        "False" => Some(NOT_READY),
        _ => Some(UNREACHABLE),
    };
    let cordon = (node["spec"]["unschedulable"] == true).then_some((UNSCHEDULABLE, "NoSchedule"));
    let asked: Vec<(&str, &str)> =
        state.into_iter().flat_map(|key| [(key, "NoSchedule"), (key, "NoExecute")]).chain(cordon).collect();
    let is = |taint: &Value, (key, effect): (&str, &str)| taint["key"] == key && taint["effect"] == effect;
    let is_ours = |taint: &Value| {
        [NOT_READY, UNREACHABLE, UNSCHEDULABLE].iter().any(|key| taint["key"] == *key)
            && asked.iter().all(|one| !is(taint, *one))
    };
    let mut taints: Vec<Value> = present.iter().filter(|taint| !is_ours(taint)).cloned().collect();
    for one in &asked {
        if !taints.iter().any(|taint| is(taint, *one)) {
            taints.push(json!({ "key": one.0, "effect": one.1 }));
        }
    }
    Some(taints)
}

/// The first taint of a node that keeps a pod from being put there.
pub(super) fn keeping_off<'a>(node: &'a Value, pod: &Value) -> Option<&'a Value> {
    items(&node["spec"]["taints"]).iter().find(|taint| {
        matches!(taint["effect"].as_str(), Some("NoSchedule" | "NoExecute"))
            && tolerations_of(pod, taint).next().is_none()
    })
}

/// What a pod says by which a taint is nothing to it, at least for a while.
pub(super) fn tolerations_of<'a>(pod: &'a Value, taint: &'a Value) -> impl Iterator<Item = &'a Value> {
    items(&pod["spec"]["tolerations"]).iter().filter(|toleration| tolerates(toleration, taint))
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (key, effect) = (text(&toleration["key"]), text(&toleration["effect"]));
    (effect.is_empty() || taint["effect"] == effect.as_str())
        && (key.is_empty() || taint["key"] == key.as_str())
        && (toleration["operator"] == "Exists" || text(&toleration["value"]) == text(&taint["value"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toleration_is_for_its_key_its_value_and_its_effect() {
        let taint = json!({ "key": "disk", "value": "slow", "effect": "NoSchedule" });
        for (toleration, holds) in [
            (json!({ "operator": "Exists" }), true),
            (json!({ "key": "disk", "operator": "Exists" }), true),
            (json!({ "key": "disk", "value": "slow" }), true),
            (json!({ "key": "disk", "operator": "Equal", "value": "slow", "effect": "NoSchedule" }), true),
            (json!({ "key": "disk", "value": "fast" }), false),
            (json!({ "key": "disk" }), false),
            (json!({ "key": "gpu", "operator": "Exists" }), false),
            (json!({ "key": "disk", "operator": "Exists", "effect": "NoExecute" }), false),
        ] {
            assert_eq!(tolerates(&toleration, &taint), holds, "{toleration}");
        }
    }
}
