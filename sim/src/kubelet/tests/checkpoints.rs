use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::world::World;
use crate::kubelet::{Kubelet, serve_connection};

/// Sends one request to the kubelet; returns the status and the body.
async fn send(kubelet: &Kubelet, method: Method, path: &str) -> (u16, String) {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(serve_connection(kubelet.clone(), far));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder().method(method).uri(path).body(Empty::<Bytes>::new()).unwrap();
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

async fn world_with_pod() -> World {
    let world = World::new();
    world.create_pod("orders-0", &json!({}));
    world.until_running("orders-0").await;
    world
}

fn archive_in(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    let [archive] = body["items"].as_array().unwrap().as_slice() else { panic!("one item: {body}") };
    archive.as_str().unwrap().to_owned()
}

const APP: &str = "/checkpoint/default/orders-0/app";

#[tokio::test(start_paused = true)]
async fn a_checkpoint_answers_with_the_archive_named_by_pod_namespace_container_and_second() {
    let world = world_with_pod().await;
    let (code, body) = send(&world.kubelet, Method::POST, APP).await;
    assert_eq!(code, 200);
    let archive = archive_in(&body);
    let time = archive
        .strip_prefix("/var/lib/kubelet/checkpoints/checkpoint-orders-0_default-app-")
        .and_then(|rest| rest.strip_suffix(".tar"))
        .expect("the name is as a kubelet makes it");
    assert_eq!(time.len(), "2026-01-01T00:00:00Z".len());
    assert!(time.starts_with("2026-01-01T00:00:") && time.ends_with('Z'), "{time}");
    assert_eq!(world.runtime.archives(), [("c1".to_owned(), archive, Duration::from_mins(2))]);
    assert_eq!(world.runtime.running_now(), ["orders-0/app#0"], "the container runs on");
}

#[tokio::test(start_paused = true)]
async fn two_checkpoints_in_one_second_have_one_name_and_later_ones_another() {
    let world = world_with_pod().await;
    let mut names = Vec::new();
    for wait_ms in [0, 0, 1000] {
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        names.push(archive_in(&send(&world.kubelet, Method::POST, APP).await.1));
    }
    assert_eq!(names[0], names[1]);
    assert_ne!(names[1], names[2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_wrongly_gets_the_kubelets_own_codes() {
    let world = world_with_pod().await;
    for (method, path, code) in [
        (Method::GET, APP.to_owned(), 405),
        (Method::POST, "/checkpoint/default/orders-1/app".to_owned(), 404),
        (Method::POST, "/checkpoint/other/orders-0/app".to_owned(), 404),
        (Method::POST, "/checkpoint/default/orders-0/sidecar".to_owned(), 404),
        (Method::POST, format!("{APP}?timeout=soon"), 404),
        (Method::POST, "/checkpoint/default/orders-0".to_owned(), 404),
        (Method::POST, format!("{APP}?timeout=300"), 200),
        (Method::GET, "/healthz".to_owned(), 200),
        (Method::GET, "/elsewhere".to_owned(), 404),
    ] {
        assert_eq!(send(&world.kubelet, method.clone(), &path).await.0, code, "{method} {path}");
    }
    assert_eq!(world.runtime.archives().len(), 1);
    assert_eq!(world.runtime.archives()[0].2, Duration::from_mins(5));
}

#[tokio::test(start_paused = true)]
async fn two_checkpoints_at_once_both_fail_and_the_next_one_works() {
    let world = world_with_pod().await;
    world.runtime.checkpoints_take(Duration::from_millis(400));
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        send(&world.kubelet, Method::POST, APP).await
    };
    let (first, second) = futures::future::join(send(&world.kubelet, Method::POST, APP), second).await;
    assert_eq!((first.0, second.0), (500, 500));
    assert_eq!(send(&world.kubelet, Method::POST, APP).await.0, 200);
    assert_eq!(world.runtime.running_now().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_takes_too_long_or_is_told_to_fail_is_a_500() {
    let world = world_with_pod().await;
    world.runtime.checkpoints_take(Duration::from_mins(3));
    let begun = tokio::time::Instant::now();
    let (code, said) = send(&world.kubelet, Method::POST, &format!("{APP}?timeout=10")).await;
    assert_eq!((code, begun.elapsed().as_secs()), (500, 120), "the timeout is raised");
    assert!(said.contains("deadline exceeded"), "{said}");

    world.runtime.checkpoints_take(Duration::ZERO);
    world.kubelet.fail_next_checkpoints(2, "In-flight connection");
    for expected in [500, 500, 200] {
        assert_eq!(send(&world.kubelet, Method::POST, APP).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_has_ended_cannot_be_checkpointed() {
    let world = World::new();
    world.create_pod("transfer", &json!({ "restartPolicy": "Never" }));
    world.until_running("transfer").await;
    world.runtime.exit("transfer", 0, "");
    world.until("transfer", "it has ended", |status| status["phase"] == "Succeeded").await;
    assert_eq!(send(&world.kubelet, Method::POST, "/checkpoint/default/transfer/app").await.0, 500);
}
