//! Endpoints beside those of the objects themselves: binding, eviction, scale.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    owners::{KINDS, owner},
    rig::{Rig, pod, version},
};

fn binding(pod: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    })
}

pub(super) async fn a_binding_puts_a_pod_on_a_node_once(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", None)).await.object();
    let path = rig.core("pods/p/binding");
    let done = rig.post(&path, binding("p", "node-a")).await;
    assert_eq!((done.code, &done.body["status"]), (201, &json!("Success")), "{done:?}");
    let bound = rig.get(&rig.core("pods/p")).await.object();
    assert_eq!(bound["spec"]["nodeName"], "node-a");
    let condition = &bound["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["status"]), (&json!("PodScheduled"), &json!("True")));
    let refused = rig.post(&path, binding("p", "node-b")).await;
    refused.refused(StatusCode::CONFLICT, "Conflict");
    let said = refused.body["message"].as_str().unwrap_or_default();
    assert!(said.ends_with("pod p is already assigned to node \"node-a\""), "{said}");
}

pub(super) async fn a_binding_is_of_a_pod_that_is_there_and_stays(rig: &Rig) {
    let refused = rig.post(&rig.core("pods/p/binding"), binding("p", "node-a")).await;
    refused.refused(StatusCode::NOT_FOUND, "NotFound");
    let mut held = pod("p", None);
    held["metadata"]["finalizers"] = json!(["example.org/one"]);
    rig.post(&rig.core("pods"), held).await.object();
    rig.post(&rig.core("pods/p/binding"), binding("q", "node-a"))
        .await
        .refused(StatusCode::BAD_REQUEST, "BadRequest");
    rig.delete(&rig.core("pods/p"), json!({})).await.object();
    rig.post(&rig.core("pods/p/binding"), binding("p", "node-a"))
        .await
        .refused(StatusCode::CONFLICT, "Conflict");
}

/// In the older of its versions: servers before Kubernetes 1.22 do not know the other one, all others know both.
fn eviction(pod: &str) -> Value {
    json!({"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": pod}})
}

pub(super) async fn an_eviction_deletes_a_pod_with_its_grace(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", Some("node-a"))).await.object();
    let done = rig.post(&rig.core("pods/p/eviction"), eviction("p")).await;
    assert_eq!((done.code, &done.body["status"]), (201, &json!("Success")), "{done:?}");
    let going = rig.get(&rig.core("pods/p")).await.object();
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 30);
}

pub(super) async fn an_eviction_names_the_pod_of_its_path(rig: &Rig) {
    rig.post(&rig.core("pods/p/eviction"), eviction("p")).await.refused(StatusCode::NOT_FOUND, "NotFound");
    rig.post(&rig.core("pods"), pod("p", None)).await.object();
    rig.post(&rig.core("pods/p/eviction"), eviction("q"))
        .await
        .refused(StatusCode::BAD_REQUEST, "BadRequest");
    assert_eq!(rig.get(&rig.core("pods/p/eviction")).await.code, 405);
    rig.post(&rig.core("pods/p/eviction"), eviction("p")).await.object();
    assert_eq!(rig.get(&rig.core("pods/p")).await.code, 404);
}

pub(super) async fn a_scale_says_how_many_pods_an_owner_wants(rig: &Rig) {
    for (kind, plural) in KINDS {
        let created = rig.post(&rig.in_group("apps/v1", plural), owner(kind, "o")).await.object();
        let scale = rig.get(&rig.in_group("apps/v1", &format!("{plural}/o/scale"))).await.object();
        assert_eq!((&scale["kind"], &scale["apiVersion"]), (&json!("Scale"), &json!("autoscaling/v1")));
        assert_eq!(scale["spec"], json!({"replicas": 1}), "{kind}");
        assert_eq!(scale["status"], json!({"replicas": 0, "selector": "app=a"}), "{kind}");
        assert_eq!(
            (&scale["metadata"]["uid"], version(&scale)),
            (&created["metadata"]["uid"], version(&created))
        );
    }
}

pub(super) async fn a_scale_is_replaced_and_patched(rig: &Rig) {
    for (kind, plural) in KINDS {
        rig.post(&rig.in_group("apps/v1", plural), owner(kind, "o")).await.object();
        let path = rig.in_group("apps/v1", &format!("{plural}/o/scale"));
        let stale = rig.get(&path).await.object();
        let mut wanted = stale.clone();
        wanted["spec"]["replicas"] = json!(3);
        assert_eq!(rig.put(&path, wanted).await.object()["spec"]["replicas"], 3, "{kind}");
        rig.put(&path, stale).await.refused(StatusCode::CONFLICT, "Conflict");
        assert_eq!(rig.merge(&path, json!({"spec": {"replicas": 0}})).await.object()["spec"], json!({}));
        let live = rig.get(&rig.in_group("apps/v1", &format!("{plural}/o"))).await.object();
        assert_eq!((&live["spec"]["replicas"], &live["metadata"]["generation"]), (&json!(0), &json!(3)));
    }
}

pub(super) async fn a_scale_is_not_below_nothing_and_not_of_nothing(rig: &Rig) {
    rig.post(&rig.in_group("apps/v1", "deployments"), owner("Deployment", "o")).await.object();
    let refused =
        rig.merge(&rig.in_group("apps/v1", "deployments/o/scale"), json!({"spec": {"replicas": -1}})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(refused.body["details"]["causes"][0]["field"], "spec.replicas");
    let nobody = rig.in_group("apps/v1", "deployments/nobody/scale");
    rig.get(&nobody).await.refused(StatusCode::NOT_FOUND, "NotFound");
    rig.merge(&nobody, json!({"spec": {"replicas": 1}})).await.refused(StatusCode::NOT_FOUND, "NotFound");
}
