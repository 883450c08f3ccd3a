use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::DeleteParams};
use serde_json::json;

use super::world::{World, eventually};
use crate::apiserver::{Fault, FaultEffect, RequestMatch, Verb};

async fn delete(world: &World, name: &str, params: DeleteParams) {
    let pods: Api<Pod> = Api::default_namespaced(world.client());
    pods.delete(name, &params).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_gets_its_grace_period_and_goes_when_its_container_is_gone() {
    let world = World::new();
    world.create_pod("orders-0", &json!({ "terminationGracePeriodSeconds": 20 }));
    world.until_running("orders-0").await;
    world.runtime.ignore_stop_for(Duration::from_secs(8));
    let begun = tokio::time::Instant::now();
    delete(&world, "orders-0", DeleteParams::default()).await;
    world.until_gone("orders-0").await;
    assert_eq!(begun.elapsed().as_secs(), 8);
    assert_eq!(world.runtime.stops(), [("c1".to_owned(), Duration::from_secs(20))]);
    assert_eq!(world.runtime.known(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_later_and_shorter_grace_period_brings_the_end_forward() {
    let world = World::new();
    world.create_pod("orders-0", &json!({ "terminationGracePeriodSeconds": 300 }));
    world.until_running("orders-0").await;
    world.runtime.ignore_stop_for(Duration::from_mins(10));
    let begun = tokio::time::Instant::now();
    delete(&world, "orders-0", DeleteParams::default()).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    delete(&world, "orders-0", DeleteParams::default().grace_period(2)).await;
    eventually("nothing runs", || world.runtime.running_now().is_empty().then_some(())).await;
    assert!(begun.elapsed().as_secs() <= 6, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_deleted_by_force_is_ended_all_the_same() {
    let world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    delete(&world, "orders-0", DeleteParams::default().grace_period(0)).await;
    assert!(world.pod("orders-0").is_none(), "the object is gone at once");
    eventually("nothing runs", || (world.runtime.known() == 0).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_deleted_while_it_starts_does_not_stay() {
    let world = World::new();
    world.create_pod("orders-0", &json!({}));
    tokio::time::sleep(Duration::from_millis(150)).await;
    delete(&world, "orders-0", DeleteParams::default()).await;
    world.until_gone("orders-0").await;
    assert_eq!(world.runtime.known(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_fails_is_repeated_until_it_is_heard() {
    let world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    for effect in [
        FaultEffect::Refuse { code: 500, retry_after_s: None },
        FaultEffect::Refuse { code: 409, retry_after_s: None },
        FaultEffect::LoseRequest,
    ] {
        let on = RequestMatch::from_client("kubelet").verb(Verb::Delete);
        world.server.inject(Fault { on, skip: 0, times: 1, effect });
    }
    delete(&world, "orders-0", DeleteParams::default()).await;
    world.until_gone("orders-0").await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_created_again_under_its_name_is_another_pod() {
    let world = World::new();
    let first = world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    delete(&world, "orders-0", DeleteParams::default().grace_period(0)).await;
    let second = world.create_pod("orders-0", &json!({}));
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    let pod = world.until_running("orders-0").await;
    assert_eq!(pod["status"]["containerStatuses"][0]["containerID"], "containerd://c2");
    eventually("the first one's container is gone", || (world.runtime.known() == 1).then_some(())).await;
    let started = world.runtime.started();
    assert_eq!((started.len(), started[1].attempt), (2, 0));
}
