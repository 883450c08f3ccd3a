use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::container::{Container, Ended, RestartPolicy, State};

/// When each condition got the status that it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions(BTreeMap<String, (bool, String)>);

impl Conditions {
    /// Goes on with what an earlier kubelet wrote.
    pub(super) fn read(pod: &Pod) -> Self {
        let present = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let since = |at: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time| time(at.0);
        Self(
            present
                .filter_map(|one| {
                    let at = one.last_transition_time.as_ref().map(since)?;
                    Some((one.type_.clone(), (one.status == "True", at)))
                })
                .collect(),
        )
    }

    fn set(&mut self, kind: &str, holds: bool, reason: Option<&str>, now: Timestamp) -> Value {
        let entry = self.0.entry(kind.to_owned()).or_insert_with(|| (holds, time(now)));
        if entry.0 != holds {
            *entry = (holds, time(now));
        }
        let status = if holds { "True" } else { "False" };
        let mut condition = json!({ "type": kind, "status": status, "lastTransitionTime": entry.1 });
        if let Some(reason) = reason.filter(|_| !holds) {
            condition["reason"] = json!(reason);
        }
        condition
    }
}

/// What a status is made of.
pub(super) struct Facts<'a> {
    pub(super) containers: &'a [Container],
    pub(super) policy: RestartPolicy,
    pub(super) host_ip: &'a str,
    pub(super) start_time: &'a str,
    /// Whether the pod is being deleted: nothing is started any more.
    pub(super) is_going: bool,
    pub(super) now: Timestamp,
}

/// The status of a pod whose containers are in the given states.
pub(super) fn status_of(facts: &Facts<'_>, conditions: &mut Conditions) -> Value {
    let phase = phase_of(facts);
    let is_over = matches!(phase, "Succeeded" | "Failed");
    let all_run = facts.containers.iter().all(|one| matches!(one.state, State::Running { .. }));
    let has_sandbox = facts.containers.iter().any(|one| !one.pod_ip.is_empty());
    let unready = match phase {
        "Succeeded" => "PodCompleted",
        "Failed" => "PodFailed",
        _ => "ContainersNotReady",
    };
    let mut set =
        |kind: &str, holds: bool, reason: Option<&str>| conditions.set(kind, holds, reason, facts.now);
    let conditions = json!([
        set("PodScheduled", true, None),
        set("Initialized", true, None),
        set("PodReadyToStartContainers", has_sandbox && !is_over, None),
        set("ContainersReady", all_run, Some(unready)),
        set("Ready", all_run && !facts.is_going, Some(unready)),
    ]);
    let mut status = json!({
        "phase": phase,
        "hostIP": facts.host_ip,
        "hostIPs": [{ "ip": facts.host_ip }],
        "startTime": facts.start_time,
        "conditions": conditions,
        "containerStatuses": facts.containers.iter().map(container_status).collect::<Vec<_>>(),
    });
    if let Some(ip) = facts.containers.iter().map(|one| one.pod_ip.as_str()).find(|ip| !ip.is_empty()) {
        status["podIP"] = json!(ip);
        status["podIPs"] = json!([{ "ip": ip }]);
    }
    status
}

fn phase_of(facts: &Facts<'_>) -> &'static str {
    let containers = facts.containers;
    let never_started =
        |one: &Container| one.last.is_none() && matches!(one.state, State::Waiting { .. } | State::Starting);
    // An end that the restart policy answers with a new start is not the end of the pod, unless the pod is to go.
    let is_final = |one: &Container| match &one.state {
        State::Terminated(ended) => facts.is_going || !facts.policy.restarts_after(ended.code),
        State::Waiting { .. } => facts.is_going,
        State::Starting | State::Running { .. } => false,
    };
    let failed = |one: &Container| match (&one.state, &one.last) {
        (State::Terminated(ended), _) | (_, Some(ended)) => ended.code != 0,
        _ => true,
    };
    if containers.iter().all(is_final) {
        return if containers.iter().any(failed) { "Failed" } else { "Succeeded" };
    }
    if containers.iter().any(never_started) { "Pending" } else { "Running" }
}

fn container_status(container: &Container) -> Value {
    let is_running = matches!(container.state, State::Running { .. });
    let state = match &container.state {
        State::Starting => json!({ "waiting": { "reason": "ContainerCreating" } }),
        State::Waiting { reason, message } if message.is_empty() => {
            json!({ "waiting": { "reason": reason } })
        }
        State::Waiting { reason, message } => json!({ "waiting": { "reason": reason, "message": message } }),
        State::Running { started_at, .. } => json!({ "running": { "startedAt": time(*started_at) } }),
        State::Terminated(ended) => json!({ "terminated": terminated(ended) }),
    };
    let mut status = json!({
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "restartCount": container.restarts,
        "ready": is_running,
        "started": is_running,
        "state": state,
        "lastState": container.last.as_ref().map_or_else(|| json!({}), |last| json!({ "terminated": terminated(last) })),
    });
    if let Some(id) = container.id() {
        status["containerID"] = json!(qualified_id(id));
    }
    status
}

fn terminated(ended: &Ended) -> Value {
    let mut terminated = json!({
        "exitCode": ended.code,
        "reason": ended.reason,
        "startedAt": time(ended.started_at),
        "finishedAt": time(ended.finished_at),
        "containerID": qualified_id(&ended.id),
    });
    if !ended.message.is_empty() {
        terminated["message"] = json!(ended.message);
    }
    terminated
}

const ID_SCHEME: &str = "containerd://";

fn qualified_id(id: &str) -> String {
    format!("{ID_SCHEME}{id}")
}

/// The runtime's id in a `containerID`.
pub(super) fn bare_id(qualified: &str) -> &str {
    qualified.strip_prefix(ID_SCHEME).unwrap_or(qualified)
}

/// The form of `metav1.Time`: UTC, whole seconds.
pub(super) fn time(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
