//! A pod as the protocol sees it.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

use crate::{
    api::LABEL_MIGRATION_UID,
    protocol::{PodFacts, PodView},
};

/// Reasons of a waiting container that are no trouble.
const ON_ITS_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// A pod as the protocol sees it. `container` holds the state; where it is empty, the pod's first one is meant.
pub fn view(pod: Option<&Pod>, container: &str, migration_uid: &str) -> PodView {
    pod.map_or(PodView::Absent, |pod| PodView::Present(facts(pod, container, migration_uid)))
}

fn facts(pod: &Pod, container: &str, migration_uid: &str) -> PodFacts {
    let status = container_status(pod, container);
    let state = status.and_then(|status| status.state.as_ref());
    let running = state.is_some_and(|state| state.running.is_some());
    let labels = pod.metadata.labels.as_ref();
    PodFacts {
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
        container_id: if running {
            status.and_then(|status| status.container_id.clone()).unwrap_or_default()
        } else {
            String::new()
        },
        running,
        ended: has_ended(pod, state),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        labelled: labels
            .is_some_and(|labels| labels.get(LABEL_MIGRATION_UID).is_some_and(|uid| uid == migration_uid)),
        trouble: trouble(pod, state),
    }
}

/// Status of the container that holds the state.
fn container_status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let name =
        if container.is_empty() { pod.spec.as_ref()?.containers.first()?.name.as_str() } else { container };
    statuses.iter().find(|status| status.name == name)
}

fn has_ended(pod: &Pod, state: Option<&ContainerState>) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Failed" | "Succeeded")) {
        return true;
    }
    let policy = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    match (state.and_then(|state| state.terminated.as_ref()), policy) {
        (Some(_), Some("Never")) => true,
        (Some(terminated), Some("OnFailure")) => terminated.exit_code == 0,
        _ => false,
    }
}

fn trouble(pod: &Pod, state: Option<&ContainerState>) -> String {
    let said = |reason: Option<&String>, message: Option<&String>| {
        let words: Vec<&str> = [reason, message].into_iter().flatten().map(String::as_str).collect();
        words.join(": ")
    };
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref())
        && !waiting.reason.as_deref().is_some_and(|reason| ON_ITS_WAY.contains(&reason))
    {
        return said(waiting.reason.as_ref(), waiting.message.as_ref());
    }
    if let Some(terminated) = state.and_then(|state| state.terminated.as_ref()) {
        let why = said(terminated.reason.as_ref(), terminated.message.as_ref());
        return format!("exit code {}: {why}", terminated.exit_code);
    }
    // A pod that the kubelet or the scheduler would not take says so itself.
    let status = pod.status.as_ref();
    let own = status.map(|status| said(status.reason.as_ref(), status.message.as_ref())).unwrap_or_default();
    if !own.is_empty() || state.is_some() {
        return own;
    }
    let unscheduled = status
        .and_then(|status| status.conditions.as_ref())
        .and_then(|conditions| conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False"));
    unscheduled
        .map(|condition| said(condition.reason.as_ref(), condition.message.as_ref()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(policy: &str, phase: &str, state: &Value) -> Pod {
        serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "counter", "uid": "u1", "labels": {LABEL_MIGRATION_UID: "m1"}},
            "spec": {
                "nodeName": "node-a",
                "restartPolicy": policy,
                "containers": [{"name": "sidecar"}, {"name": "counter"}],
            },
            "status": {"phase": phase, "containerStatuses": [
                {"name": "counter", "image": "i", "imageID": "i", "ready": true, "restartCount": 0,
                 "containerID": "containerd://c1", "state": state},
            ]},
        }))
        .unwrap()
    }

    fn facts_of(policy: &str, phase: &str, state: &Value) -> PodFacts {
        match view(Some(&pod(policy, phase, state)), "counter", "m1") {
            PodView::Present(facts) => facts,
            PodView::Absent => panic!("it is there"),
        }
    }

    #[test]
    fn a_running_container_shows_its_id_and_the_label_of_its_migration() {
        let seen = facts_of("Always", "Running", &json!({"running": {}}));
        let expected = PodFacts {
            uid: "u1".to_owned(),
            node: "node-a".to_owned(),
            container_id: "containerd://c1".to_owned(),
            running: true,
            labelled: true,
            ..PodFacts::default()
        };
        assert_eq!(seen, expected);
        let PodView::Present(other) =
            view(Some(&pod("Always", "Running", &json!({"running": {}}))), "counter", "m2")
        else {
            panic!("it is there")
        };
        assert!(!other.labelled);
        assert_eq!(view(None, "counter", "m1"), PodView::Absent);
    }

    #[test]
    fn a_container_that_the_kubelet_restarts_has_not_ended() {
        let killed = json!({"terminated": {"exitCode": 137, "reason": "Error"}});
        let always = facts_of("Always", "Running", &killed);
        assert!(!always.ended && !always.running && always.container_id.is_empty());
        assert!(facts_of("Never", "Running", &killed).ended);
        assert!(!facts_of("OnFailure", "Running", &killed).ended);
        assert!(facts_of("OnFailure", "Running", &json!({"terminated": {"exitCode": 0}})).ended);
        assert!(facts_of("Always", "Failed", &json!({})).ended);
    }

    #[test]
    fn trouble_is_what_the_kubelet_says() {
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "because"}});
        assert_eq!(facts_of("Never", "Pending", &waiting("ContainerCreating")).trouble, "");
        assert_eq!(facts_of("Never", "Pending", &waiting("ErrImagePull")).trouble, "ErrImagePull: because");
        let ended = json!({"terminated": {"exitCode": 2, "reason": "Error"}});
        assert_eq!(facts_of("Never", "Failed", &ended).trouble, "exit code 2: Error");
        let mut evicted = pod("Never", "Failed", &json!({}));
        evicted.status =
            serde_json::from_value(json!({"phase": "Failed", "reason": "OutOfcpu", "message": "no room"}))
                .unwrap();
        let PodView::Present(facts) = view(Some(&evicted), "counter", "m1") else { panic!("it is there") };
        assert_eq!((facts.trouble.as_str(), facts.ended), ("OutOfcpu: no room", true));
    }
}
