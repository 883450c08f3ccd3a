use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::world::{World, eventually, ready};
use crate::kubelet::RuntimeError;

#[tokio::test(start_paused = true)]
async fn a_node_registers_itself_as_ready_with_its_address_and_labels_and_renews_its_lease() {
    let world = World::new();
    let node = eventually("the node is ready", || {
        world.server.get("", "nodes", "", "node-a").filter(|node| ready(&node["status"]))
    })
    .await;
    assert_eq!(node["metadata"]["labels"]["zone"], "west");
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "node-a");
    assert_eq!(node["status"]["addresses"][0], json!({ "type": "InternalIP", "address": "10.0.0.1" }));
    assert_eq!(node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"], 10250);
    let renewed = || world.server.get("coordination.k8s.io", "leases", "kube-node-lease", "node-a").unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let first = renewed()["spec"]["renewTime"].clone();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_ne!(renewed()["spec"]["renewTime"], first);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_falls_silent_is_given_up_and_puts_everything_right_when_it_returns() {
    let mut world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    let node = || world.server.get("", "nodes", "", "node-a").unwrap();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(ready(&node()["status"]), "a node that renews its lease stays ready");
    let condition_of = |object: &Value| object["status"]["conditions"][0]["status"].clone();
    world.crash().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(condition_of(&world.server.get("", "nodes", "", "node-a").unwrap()), "True");
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(condition_of(&world.server.get("", "nodes", "", "node-a").unwrap()), "Unknown");
    let pod = world.pod("orders-0").unwrap();
    assert!(!ready(&pod["status"]) && pod["status"]["phase"] == "Running");
    world.restart();
    world.until_running("orders-0").await;
    assert_eq!(condition_of(&world.server.get("", "nodes", "", "node-a").unwrap()), "True");
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_a_node_is_scheduled_by_label_and_run() {
    let world = World::new();
    world.create_pod("orders-0", &json!({ "nodeName": null, "nodeSelector": { "zone": "west" } }));
    let pod = world.until_running("orders-0").await;
    assert_eq!(pod["spec"]["nodeName"], "node-a");
}

#[tokio::test(start_paused = true)]
async fn a_started_pod_is_running_and_ready_with_its_address_and_container_id() {
    let world = World::new();
    world.create_pod("orders-0", &json!({}));
    let pod = world.until_running("orders-0").await;
    let status = &pod["status"];
    assert_eq!((&status["podIP"], &status["hostIP"]), (&json!("10.244.0.1"), &json!("10.0.0.1")));
    let container = &status["containerStatuses"][0];
    assert_eq!(container["containerID"], "containerd://c1");
    assert_eq!((&container["ready"], &container["restartCount"]), (&json!(true), &json!(0)));
    assert!(container["state"]["running"]["startedAt"].is_string());
    serde_json::from_value::<Pod>(pod).expect("it decodes as a pod");
}

#[tokio::test(start_paused = true)]
async fn an_idle_pod_costs_no_writes() {
    let world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let to_pods = || world.server.log_of_writes().iter().filter(|write| write.plural == "pods").count();
    let before = to_pods();
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(to_pods(), before);
}

#[tokio::test(start_paused = true)]
async fn all_containers_of_a_pod_have_to_run_before_it_is_ready() {
    let world = World::new();
    world.runtime.refuse_next_start(RuntimeError::Failed("no space left".to_owned()));
    let containers =
        json!([{ "name": "app", "image": "orders:1" }, { "name": "sidecar", "image": "proxy:1" }]);
    world.create_pod("orders-0", &json!({ "containers": containers }));
    let pod = world
        .until("orders-0", "one container waits", |status| {
            status["containerStatuses"][1]["state"]["running"].is_object()
        })
        .await;
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "RunContainerError");
    assert!(!ready(&pod["status"]));
    world.until_running("orders-0").await;
    assert_eq!(world.runtime.running_now(), ["orders-0/sidecar#0", "orders-0/app#0"]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_is_restarted_at_once_and_then_backs_off() {
    let world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    world.runtime.exit("orders-0", 3, "out of luck");
    let again = world
        .until("orders-0", "it runs again", |status| {
            status["containerStatuses"][0]["restartCount"] == 1 && ready(status)
        })
        .await;
    let last = &again["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((&last["exitCode"], &last["message"]), (&json!(3), &json!("out of luck")));
    world.runtime.exit("orders-0", 3, "");
    let waiting = world
        .until("orders-0", "it backs off", |status| {
            status["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })
        .await;
    assert_eq!(waiting["status"]["phase"], "Running");
    assert!(!ready(&waiting["status"]));
    world.until("orders-0", "it runs a third time", ready).await;
    let attempts: Vec<u32> = world.runtime.started().iter().map(|spec| spec.attempt).collect();
    assert_eq!(attempts, [0, 1, 2]);
    assert_eq!(world.runtime.known(), 1, "the containers before it are removed");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_not_to_be_restarted_ends_its_pod_with_its_message() {
    for (code, phase, reason) in [(0, "Succeeded", "Completed"), (1, "Failed", "Error")] {
        let world = World::new();
        world.create_pod("transfer", &json!({ "restartPolicy": "Never" }));
        world.until_running("transfer").await;
        world.runtime.exit("transfer", code, "sha256:abc");
        let pod = world.until("transfer", "it has ended", |status| status["phase"] == phase).await;
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!((&ended["reason"], &ended["message"]), (&json!(reason), &json!("sha256:abc")));
        assert!(!ready(&pod["status"]));
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(world.runtime.started().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn restart_on_failure_restarts_failures_only() {
    let world = World::new();
    world.create_pod("transfer", &json!({ "restartPolicy": "OnFailure" }));
    world.until_running("transfer").await;
    world.runtime.exit("transfer", 1, "");
    eventually("it runs again", || (world.runtime.running_now() == ["transfer/app#1"]).then_some(())).await;
    world.until_running("transfer").await;
    world.runtime.exit("transfer", 0, "");
    world.until("transfer", "it has succeeded", |status| status["phase"] == "Succeeded").await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_is_tried_again_with_a_reason() {
    let world = World::new();
    let missing = || RuntimeError::Image { image: "orders:1".to_owned(), reason: "not found".to_owned() };
    world.runtime.refuse_next_start(missing());
    world.runtime.refuse_next_start(missing());
    world.create_pod("orders-0", &json!({ "restartPolicy": "Never" }));
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        let pod = world
            .until("orders-0", reason, |status| {
                status["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
            })
            .await;
        assert_eq!(pod["status"]["phase"], "Pending");
        let message = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
        assert_eq!(message, "image orders:1 cannot be pulled: not found");
    }
    let pod = world.until_running("orders-0").await;
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_started_fails_a_pod_that_is_not_to_be_restarted() {
    let world = World::new();
    world.runtime.refuse_next_start(RuntimeError::Failed("criu failed: type RESTORE errno 0".to_owned()));
    world.create_pod("shadow", &json!({ "restartPolicy": "Never" }));
    let pod = world.until("shadow", "it has failed", |status| status["phase"] == "Failed").await;
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["reason"], &ended["exitCode"]), (&json!("StartError"), &json!(128)));
    assert_eq!(ended["message"], "criu failed: type RESTORE errno 0");
}

#[tokio::test(start_paused = true)]
async fn conditions_that_others_write_stay() {
    let world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    let pods: Api<Pod> = Api::default_namespaced(world.client());
    let condition = json!({ "status": { "conditions": [{ "type": "ms2m.io/owner", "status": "True" }] } });
    pods.patch_status("orders-0", &PatchParams::default(), &Patch::Strategic(condition)).await.unwrap();
    world.runtime.exit("orders-0", 1, "");
    let pod = world
        .until("orders-0", "it runs again", |status| {
            status["containerStatuses"][0]["restartCount"] == 1 && ready(status)
        })
        .await;
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|one| one["type"] == "ms2m.io/owner"));
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_to_its_end_on_a_kubelet() {
    let world = World::new();
    let template = json!({ "spec": {
        "restartPolicy": "Never", "nodeName": "node-a",
        "containers": [{ "name": "transfer", "image": "ms2m" }],
    } });
    world
        .server
        .create(json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "transfer" },
            "spec": { "template": template, "backoffLimit": 2 },
        }))
        .unwrap();
    let first = eventually("the first pod runs", || world.runtime.started().pop()).await;
    world.runtime.exit(&first.pod, 1, "registry says 503");
    let second = eventually("a second pod runs", || {
        world.runtime.started().pop().filter(|spec| spec.pod != first.pod)
    })
    .await;
    world.until_running(&second.pod).await;
    world.runtime.exit(&second.pod, 0, "sha256:abc");
    let job = eventually("the Job is complete", || {
        let job = world.server.get("batch", "jobs", "default", "transfer").unwrap();
        (job["status"]["succeeded"] == 1).then_some(job)
    })
    .await;
    assert_eq!(job["status"]["failed"], 1);
}
