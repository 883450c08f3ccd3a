//! A StatefulSet, a ReplicaSet, a Deployment: which pods they keep, and whose a pod is.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::world::{client, eventually, server};
use crate::apiserver::ApiServer;

fn workload(kind: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": "counter" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "counter" } },
            "template": {
                "metadata": { "labels": { "app": "counter" } },
                "spec": { "nodeName": "node-a", "containers": [{ "name": "c", "image": "i:1" }] },
            },
        },
    })
}

fn stateful_set(replicas: u32) -> Value {
    let mut set = workload("StatefulSet", replicas);
    set["spec"]["serviceName"] = json!("counter");
    set
}

fn pods(server: &ApiServer) -> Vec<Arc<Value>> {
    server.list("", "pods", "default")
}

fn names(server: &ApiServer) -> Vec<String> {
    pods(server).iter().map(|pod| name(pod)).collect()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

fn is_owned(pod: &Value) -> bool {
    pod["metadata"]["ownerReferences"][0]["controller"] == true
}

async fn until_there_are(server: &ApiServer, count: usize) -> Vec<Arc<Value>> {
    eventually("so many pods", || (pods(server).len() == count).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(pods(server).len(), count, "it stays so: {:?}", names(server));
    pods(server)
}

/// What a kubelet says of a pod.
async fn say(server: &ApiServer, pod: &str, phase: &str) {
    let api: Api<Pod> = Api::default_namespaced(client(server));
    let ready = if phase == "Running" { "True" } else { "False" };
    let status = json!({ "status": {
        "phase": phase, "conditions": [{ "type": "Ready", "status": ready }],
    } });
    api.patch_status(pod, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

/// What a kubelet does when the containers of a pod that is to go have ended.
async fn let_go(server: &ApiServer, pod: &str) {
    let api: Api<Pod> = Api::default_namespaced(client(server));
    let at_once = kube::api::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
    api.delete(pod, &at_once).await.unwrap();
}

async fn set_replicas(server: &ApiServer, plural: &str, replicas: u32) {
    change(server, plural, json!({ "spec": { "replicas": replicas } })).await;
}

async fn change(server: &ApiServer, plural: &str, change: Value) {
    let request = http::Request::patch(format!("/apis/apps/v1/namespaces/default/{plural}/counter"))
        .header("content-type", "application/merge-patch+json")
        .body(change.to_string().into_bytes())
        .unwrap();
    client(server).request::<Value>(request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_starts_its_pods_one_after_the_other() {
    let server = server();
    server.create(stateful_set(3)).unwrap();
    for ordinal in 0..3 {
        let pods = until_there_are(&server, ordinal + 1).await;
        assert_eq!(name(&pods[ordinal]), format!("counter-{ordinal}"));
        assert_eq!(pods[ordinal]["spec"]["hostname"], name(&pods[ordinal]));
        say(&server, &name(&pods[ordinal]), "Running").await;
    }
    let status = eventually("all are ready", || {
        let set = server.get("apps", "statefulsets", "default", "counter")?;
        (set["status"]["readyReplicas"] == 3).then(|| set["status"].clone())
    })
    .await;
    assert_eq!((&status["replicas"], &status["observedGeneration"]), (&json!(3), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_a_stateful_set_has_its_name_again_after_its_deletion_and_not_before() {
    let server = server();
    server.create(stateful_set(1)).unwrap();
    let first = until_there_are(&server, 1).await.remove(0);
    say(&server, "counter-0", "Running").await;
    server.delete("", "pods", "default", "counter-0");
    let going = until_there_are(&server, 1).await.remove(0);
    assert_eq!(going["metadata"]["uid"], first["metadata"]["uid"], "two of one name never live");
    let_go(&server, "counter-0").await;
    let second = until_there_are(&server, 1).await.remove(0);
    assert_eq!(name(&second), "counter-0");
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_a_stateful_set_that_has_ended_is_replaced() {
    let server = server();
    server.create(stateful_set(1)).unwrap();
    let first = until_there_are(&server, 1).await.remove(0);
    say(&server, "counter-0", "Failed").await;
    let second = eventually("another of the name", || {
        pods(&server).into_iter().find(|pod| pod["metadata"]["uid"] != first["metadata"]["uid"])
    })
    .await;
    assert_eq!(name(&second), "counter-0");
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_becomes_smaller_from_its_end() {
    let server = server();
    server.create(stateful_set(3)).unwrap();
    for ordinal in 0..3 {
        until_there_are(&server, ordinal + 1).await;
        say(&server, &format!("counter-{ordinal}"), "Running").await;
    }
    set_replicas(&server, "statefulsets", 1).await;
    for left in [2, 1] {
        let last = format!("counter-{left}");
        eventually("the last one is to go", || {
            let pod = server.get("", "pods", "default", &last)?;
            pod["metadata"]["deletionTimestamp"].is_string().then_some(())
        })
        .await;
        let going =
            pods(&server).iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_string()).count();
        assert_eq!(going, 1, "and no other one");
        let_go(&server, &last).await;
        until_there_are(&server, left).await;
    }
    assert_eq!(names(&server), ["counter-0"]);
}

#[tokio::test(start_paused = true)]
async fn a_parallel_stateful_set_waits_for_nobody() {
    let server = server();
    let mut set = stateful_set(3);
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set["spec"]["ordinals"] = json!({ "start": 5 });
    server.create(set).unwrap();
    until_there_are(&server, 3).await;
    assert_eq!(names(&server), ["counter-5", "counter-6", "counter-7"]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_set_replaces_at_once_what_is_deleted_or_has_ended() {
    let server = server();
    server.create(workload("ReplicaSet", 2)).unwrap();
    let first = name(&until_there_are(&server, 2).await[0]);
    say(&server, &first, "Running").await;
    server.delete("", "pods", "default", &first);
    // The one that is to go still runs: two, and itself.
    until_there_are(&server, 3).await;
    let_go(&server, &first).await;
    let second = name(&until_there_are(&server, 2).await[0]);
    say(&server, &second, "Failed").await;
    until_there_are(&server, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_set_adopts_what_matches_and_lets_go_what_does_not_any_more() {
    let server = server();
    let mut lonely = workload("ReplicaSet", 1)["spec"]["template"].clone();
    lonely["apiVersion"] = json!("v1");
    lonely["kind"] = json!("Pod");
    lonely["metadata"]["name"] = json!("lonely");
    server.create(lonely).unwrap();
    server.create(workload("ReplicaSet", 1)).unwrap();
    assert!(is_owned(&until_there_are(&server, 1).await[0]), "one is all that it wants");
    let api: Api<Pod> = Api::default_namespaced(client(&server));
    let other = json!({ "metadata": { "labels": { "app": "else" } } });
    api.patch("lonely", &PatchParams::default(), &Patch::Merge(other)).await.unwrap();
    until_there_are(&server, 2).await;
    assert!(!is_owned(&server.get("", "pods", "default", "lonely").unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_replica_set_that_becomes_smaller_gives_up_what_works_least() {
    let server = server();
    server.create(workload("ReplicaSet", 2)).unwrap();
    let works = name(&until_there_are(&server, 2).await[1]);
    say(&server, &works, "Running").await;
    set_replicas(&server, "replicasets", 1).await;
    eventually("the other is to go", || {
        let going = pods(&server).into_iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_string())?;
        assert_ne!(name(&going), works);
        Some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deployment_replaces_its_pods_when_its_template_changes() {
    let server = server();
    server.create(workload("Deployment", 1)).unwrap();
    let old = until_there_are(&server, 1).await.remove(0);
    let hash = old["metadata"]["labels"]["pod-template-hash"].as_str().unwrap().to_owned();
    assert!(name(&old).starts_with(&format!("counter-{hash}-")));
    say(&server, &name(&old), "Running").await;
    change(
        &server,
        "deployments",
        json!({ "spec": { "template": {
        "metadata": { "annotations": { "restarted": "now" } },
    } } }),
    )
    .await;
    let both = until_there_are(&server, 2).await;
    assert!(both.iter().all(|pod| pod["metadata"]["deletionTimestamp"].is_null()), "the old one works on");
    let new = both.iter().map(|pod| name(pod)).find(|one| *one != name(&old)).unwrap();
    say(&server, &new, "Running").await;
    eventually("the old one is to go", || {
        let pod = server.get("", "pods", "default", &name(&old))?;
        pod["metadata"]["deletionTimestamp"].is_string().then_some(())
    })
    .await;
    let_go(&server, &name(&old)).await;
    until_there_are(&server, 1).await;
    let status = &server.get("apps", "deployments", "default", "counter").unwrap()["status"];
    assert_eq!((&status["updatedReplicas"], &status["readyReplicas"]), (&json!(1), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_recreates_has_never_two_pods() {
    let server = server();
    let mut deployment = workload("Deployment", 1);
    deployment["spec"]["strategy"] = json!({ "type": "Recreate" });
    server.create(deployment).unwrap();
    let old = until_there_are(&server, 1).await.remove(0);
    say(&server, &name(&old), "Running").await;
    change(
        &server,
        "deployments",
        json!({ "spec": { "template": {
        "metadata": { "annotations": { "restarted": "now" } },
    } } }),
    )
    .await;
    let going = until_there_are(&server, 1).await.remove(0);
    assert_eq!(name(&going), name(&old));
    let_go(&server, &name(&old)).await;
    let new = until_there_are(&server, 1).await.remove(0);
    assert_ne!(name(&new), name(&old));
}

#[tokio::test(start_paused = true)]
async fn the_pods_go_with_their_owner_and_stay_when_they_are_orphaned() {
    let server = server();
    server.create(workload("Deployment", 2)).unwrap();
    until_there_are(&server, 2).await;
    server.delete("apps", "deployments", "default", "counter");
    eventually("all are to go", || {
        pods(&server).iter().all(|pod| pod["metadata"]["deletionTimestamp"].is_string()).then_some(())
    })
    .await;
    assert!(server.list("apps", "replicasets", "default").is_empty());

    let server = self::server();
    server.create(stateful_set(1)).unwrap();
    until_there_are(&server, 1).await;
    let request = http::Request::delete(
        "/apis/apps/v1/namespaces/default/statefulsets/counter?propagationPolicy=Orphan",
    )
    .body(Vec::new())
    .unwrap();
    client(&server).request::<Value>(request).await.unwrap();
    eventually("it is gone", || server.list("apps", "statefulsets", "").is_empty().then_some(())).await;
    let left = until_there_are(&server, 1).await.remove(0);
    assert!(left["metadata"]["deletionTimestamp"].is_null() && !is_owned(&left));
}
