use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    objects::from,
    world::{client, eventually, server},
};
use crate::apiserver::ApiServer;

fn job(spec: &Value) -> Job {
    let mut spec = spec.clone();
    spec["template"] = json!({
        "metadata": { "labels": { "app": "transfer" } },
        "spec": { "restartPolicy": "Never", "nodeName": "node-a", "containers": [{ "name": "transfer", "image": "t" }] },
    });
    from(json!({ "metadata": { "name": "transfer" }, "spec": spec }))
}

async fn create(server: &ApiServer, spec: Value) -> Api<Job> {
    let jobs: Api<Job> = Api::default_namespaced(client(server));
    jobs.create(&PostParams::default(), &job(&spec)).await.unwrap();
    jobs
}

fn the_job(server: &ApiServer) -> Arc<Value> {
    server.get("batch", "jobs", "default", "transfer").unwrap()
}

fn active_pods(server: &ApiServer) -> Vec<Arc<Value>> {
    let mut pods = server.list("", "pods", "default");
    pods.retain(|pod| pod["status"]["phase"] == "Pending" && pod["metadata"]["deletionTimestamp"].is_null());
    pods
}

async fn next_pod(server: &ApiServer) -> Arc<Value> {
    eventually("the Job has a pod", || active_pods(server).pop()).await
}

/// What a kubelet does when the container has ended.
async fn end(server: &ApiServer, pod: &Value, phase: &str) {
    let pods: Api<Pod> = Api::default_namespaced(client(server));
    let now = server.lock().store.stamp();
    let status = json!({ "status": {
        "phase": phase,
        "containerStatuses": [{
            "name": "transfer", "image": "t", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": { "exitCode": 1, "finishedAt": now } },
        }],
    } });
    let name = pod["metadata"]["name"].as_str().unwrap();
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

fn condition(job: &Value, kind: &str) -> Option<String> {
    let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|one| one["type"] == kind && one["status"] == "True")?;
    Some(found["reason"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_one_pod_and_is_complete_when_that_succeeds() {
    let server = server();
    create(&server, json!({})).await;
    let pod = next_pod(&server).await;
    assert_eq!(pod["metadata"]["labels"]["job-name"], "transfer");
    assert_eq!(pod["metadata"]["labels"]["app"], "transfer");
    assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "Job");
    eventually("it counts as active", || (the_job(&server)["status"]["active"] == 1).then_some(())).await;
    end(&server, &pod, "Succeeded").await;
    eventually("the Job is complete", || condition(&the_job(&server), "Complete")).await;
    let status = the_job(&server)["status"].clone();
    assert_eq!((&status["succeeded"], &status["active"]), (&json!(1), &json!(0)));
    assert!(status["completionTime"].is_string() && status["startTime"].is_string());
    assert_eq!(server.list("", "pods", "").len(), 1, "the pod stays, for its logs");
}

#[tokio::test(start_paused = true)]
async fn a_failed_pod_is_replaced_after_a_back_off_until_the_limit_is_reached() {
    let server = server();
    create(&server, json!({ "backoffLimit": 1 })).await;
    let first = next_pod(&server).await;
    end(&server, &first, "Failed").await;
    let failed_at = tokio::time::Instant::now();
    let second = next_pod(&server).await;
    assert!(failed_at.elapsed() >= Duration::from_secs(9), "{:?}", failed_at.elapsed());
    assert_ne!(second["metadata"]["name"], first["metadata"]["name"]);
    end(&server, &second, "Failed").await;
    let reason = eventually("the Job has failed", || condition(&the_job(&server), "Failed")).await;
    assert_eq!(reason, "BackoffLimitExceeded");
    assert_eq!(the_job(&server)["status"]["failed"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_policy_calls_final_is_not_tried_again() {
    let policy = |container: &str, code: u8| {
        let codes = json!({ "containerName": container, "operator": "In", "values": [code] });
        json!({ "backoffLimit": 0, "podFailurePolicy": { "rules": [{ "action": "FailJob", "onExitCodes": codes }] } })
    };
    for (container, code, fails_by) in [
        ("transfer", 1, "PodFailurePolicy"),
        ("transfer", 75, "BackoffLimitExceeded"),
        ("other", 1, "BackoffLimitExceeded"),
    ] {
        let server = server();
        create(&server, policy(container, code)).await;
        let pod = next_pod(&server).await;
        end(&server, &pod, "Failed").await;
        let reason = eventually("the Job has failed", || condition(&the_job(&server), "Failed")).await;
        assert_eq!(reason, fails_by, "{container} {code}");
        assert_eq!(the_job(&server)["status"]["failed"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_fails_and_its_pod_is_told_to_go() {
    let server = server();
    create(&server, json!({ "activeDeadlineSeconds": 30 })).await;
    let pod = next_pod(&server).await;
    let reason = eventually("the Job has failed", || condition(&the_job(&server), "Failed")).await;
    assert_eq!(reason, "DeadlineExceeded");
    let name = pod["metadata"]["name"].as_str().unwrap();
    assert!(server.get("", "pods", "default", name).unwrap()["metadata"]["deletionTimestamp"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_deleted_under_its_job_is_counted_as_failed_and_replaced() {
    let server = server();
    create(&server, json!({})).await;
    let pod = next_pod(&server).await;
    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    pods.delete(&name, &DeleteParams::default().grace_period(0)).await.unwrap();
    let next = next_pod(&server).await;
    assert_ne!(next["metadata"]["name"], name);
    eventually("it is counted", || (the_job(&server)["status"]["failed"] == 1).then_some(())).await;
    assert_eq!(server.get("", "pods", "default", &name), None);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_job_takes_its_pods_along_only_when_the_client_says_so() {
    for (params, left) in [(DeleteParams::background(), 0), (DeleteParams::default(), 1)] {
        let server = server();
        let jobs = create(&server, json!({})).await;
        let pod = next_pod(&server).await;
        end(&server, &pod, "Succeeded").await;
        jobs.delete("transfer", &params).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(server.list("", "pods", "").len(), left, "{params:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_stays_pending_with_a_reason_until_a_ready_node_matches() {
    let server = server();
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    let pod: Pod = from(json!({
        "metadata": { "name": "orders-0" },
        "spec": { "nodeSelector": { "zone": "west" }, "containers": [{ "name": "app" }] },
    }));
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let node = |name: &str, zone: &str, ready: &str| {
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": { "zone": zone } },
            "status": {
                "conditions": [{ "type": "Ready", "status": ready }], "allocatable": { "pods": "110" },
            },
        })
    };
    server.create(node("a", "east", "True")).unwrap();
    server.create(node("b", "west", "False")).unwrap();
    let get = || server.get("", "pods", "default", "orders-0").unwrap();
    eventually("it is unschedulable", || {
        let condition = get()["status"]["conditions"][0].clone();
        (condition["reason"] == "Unschedulable" && condition["status"] == "False").then_some(())
    })
    .await;
    server.create(node("d", "west", "True")).unwrap();
    server.create(node("c", "west", "True")).unwrap();
    let bound = eventually("it is bound", || {
        let pod = get();
        pod["spec"]["nodeName"].is_string().then_some(pod)
    })
    .await;
    assert_eq!(bound["spec"]["nodeName"], "c", "the first by name");
    assert_eq!(bound["status"]["conditions"][0]["status"], "True");
}
