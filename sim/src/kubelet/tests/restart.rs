use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::DeleteParams};
use serde_json::json;

use super::world::{World, eventually, ready};

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_restarts_takes_its_containers_over() {
    let mut world = World::new();
    world.create_pod("orders-0", &json!({}));
    let before = world.until_running("orders-0").await;
    world.crash().await;
    world.restart();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.runtime.started().len(), 1, "nothing is started twice");
    assert_eq!(world.pod("orders-0").unwrap()["status"], before["status"]);
    world.runtime.exit("orders-0", 1, "");
    world
        .until("orders-0", "the new kubelet restarts it", |status| {
            status["containerStatuses"][0]["restartCount"] == 1 && ready(status)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_was_started_and_never_reported_is_not_started_again() {
    let mut world = World::new();
    world.create_pod("orders-0", &json!({}));
    eventually("the container runs", || (world.runtime.running_now().len() == 1).then_some(())).await;
    world.crash().await;
    world.restart();
    let pod = world.until_running("orders-0").await;
    assert_eq!(pod["status"]["containerStatuses"][0]["containerID"], "containerd://c1");
    assert_eq!(world.runtime.started().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_saw_is_found_out() {
    let mut world = World::new();
    world.create_pod("transfer", &json!({ "restartPolicy": "Never" }));
    world.until_running("transfer").await;
    world.crash().await;
    world.runtime.exit("transfer", 0, "sha256:abc");
    world.restart();
    let pod = world.until("transfer", "it has succeeded", |status| status["phase"] == "Succeeded").await;
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"], "sha256:abc");
    assert_eq!(world.runtime.started().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lost_its_containers_starts_those_that_are_to_be_restarted() {
    let mut world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.create_pod("shadow", &json!({ "restartPolicy": "Never" }));
    world.until_running("orders-0").await;
    world.until_running("shadow").await;
    world.crash().await;
    world.runtime.lose_everything();
    world.restart();
    let shadow = world.until("shadow", "it has failed", |status| status["phase"] == "Failed").await;
    let ended = &shadow["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(137), &json!("ContainerStatusUnknown")));
    world
        .until("orders-0", "it runs again", |status| {
            status["containerStatuses"][0]["restartCount"] == 1 && ready(status)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn containers_of_pods_that_went_meanwhile_are_removed() {
    let mut world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    world.crash().await;
    let pods: Api<Pod> = Api::default_namespaced(world.client());
    pods.delete("orders-0", &DeleteParams::default().grace_period(0)).await.unwrap();
    world.restart();
    eventually("nothing runs", || (world.runtime.known() == 0).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_an_earlier_kubelet_began_is_finished() {
    let mut world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    world.runtime.ignore_stop_for(Duration::from_secs(5));
    let pods: Api<Pod> = Api::default_namespaced(world.client());
    pods.delete("orders-0", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.crash().await;
    world.restart();
    world.until_gone("orders-0").await;
    assert_eq!(world.runtime.known(), 0);
}
