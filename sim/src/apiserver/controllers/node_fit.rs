//! Whether a pod fits on a node, and what is in its way: the filters of the scheduler, in its order and its words.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    node_affinity::names_node,
    pod_requests::{Amounts, add, allocatable, requests_of},
    pods::is_over,
    taints,
};
use crate::apiserver::{object::meta, store::Store};

/// Why a pod does not fit on a node.
pub(super) struct Obstacle {
    /// What a person reads.
    reasons: Vec<String>,
    /// Whether it would be there still if the node had no other pods.
    stays_without_others: bool,
}

impl Obstacle {
    fn lasting(reason: String) -> Self {
        Self { reasons: vec![reason], stays_without_others: true }
    }
}

/// The first filter that holds a pod off a node; none where it fits.
pub(super) fn obstacle(store: &Store, node: &Value, pod: &Value) -> Option<Obstacle> {
    if node["spec"]["unschedulable"] == true {
        let cordon = json!({ "key": taints::UNSCHEDULABLE, "effect": "NoSchedule" });
        if taints::tolerations_of(pod, &cordon).next().is_none() {
            return Some(Obstacle::lasting("node(s) were unschedulable".to_owned()));
        }
    }
    if let Some(taint) = taints::keeping_off(node, pod) {
        let text = |field: &str| taint[field].as_str().unwrap_or_default().to_owned();
        let why = format!("node(s) had untolerated taint {{{}: {}}}", text("key"), text("value"));
        return Some(Obstacle::lasting(why));
    }
    if !names_node(pod, node) {
        return Some(Obstacle::lasting("node(s) didn't match Pod's node affinity/selector".to_owned()));
    }
    lack(store, node, pod)
}

/// What a node has too little of.
fn lack(store: &Store, node: &Value, pod: &Value) -> Option<Obstacle> {
    let on_it = |other: &Value| other["spec"]["nodeName"] == meta(node, "name") && !is_over(other);
    let (mut count, mut used) = (0, Amounts::new());
    for (_, other) in store.entries("", "pods", "").filter(|(_, other)| on_it(other)) {
        count += 1;
        add(&mut used, &requests_of(other));
    }
    let has = allocatable(node);
    let amount = |of: &Amounts, name: &str| of.get(name).copied().unwrap_or_default();
    let mut found = Obstacle { reasons: Vec::new(), stays_without_others: false };
    if count + 1 > amount(&has, "pods") {
        found.reasons.push("Too many pods".to_owned());
    }
    for (name, wanted) in requests_of(pod).into_iter().filter(|(_, wanted)| *wanted > 0) {
        if wanted > amount(&has, &name) - amount(&used, &name) {
            found.stays_without_others |= wanted > amount(&has, &name);
            found.reasons.push(format!("Insufficient {name}"));
        }
    }
    (!found.reasons.is_empty()).then_some(found)
}

/// What the scheduler says of a pod that fits nowhere: of how many nodes, what is in the way on how many of them, and
/// whether it would help if other pods made room. None ever do here: no pod is more important than another.
pub(super) fn verdict(nodes: &[Arc<Value>], obstacles: &[Obstacle]) -> String {
    if nodes.is_empty() {
        return "no nodes available to schedule pods".to_owned();
    }
    let reasons = obstacles.iter().flat_map(|obstacle| obstacle.reasons.iter().map(String::as_str));
    let rooms = obstacles.iter().map(|obstacle| {
        if obstacle.stays_without_others {
            "Preemption is not helpful for scheduling"
        } else {
            "No preemption victims found for incoming pod"
        }
    });
    let available = format!("0/{} nodes are available", nodes.len());
    format!("{available}: {}. preemption: {available}: {}.", counted(reasons), counted(rooms))
}

fn counted<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut said: Vec<String> = counts.into_iter().map(|(why, count)| format!("{count} {why}")).collect();
    said.sort_unstable();
    said.join(", ")
}
