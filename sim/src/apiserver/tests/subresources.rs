//! Endpoints beside those of the objects themselves: what a contract with a server without controllers does not show.

use serde_json::{Value, json};

use super::world::{NoDial, client, clock, server, status};
use crate::apiserver::{ApiServer, Denied, Fault, FaultEffect, RequestMatch, Settings};

async fn send(server: &ApiServer, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .unwrap();
    client(server).request::<Value>(request).await
}

fn place(server: &ApiServer, name: &str) {
    let spec = json!({ "nodeName": "node-a", "containers": [{ "name": "c", "image": "i:1" }] });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
    server.create(pod).unwrap();
}

const EVICTION: &str = "/api/v1/namespaces/default/pods/p/eviction";

fn eviction() -> Value {
    json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "p" } })
}

#[tokio::test(start_paused = true)]
async fn an_evicted_pod_says_who_wanted_it_gone() {
    let server = server();
    place(&server, "p");
    assert_eq!(send(&server, "POST", EVICTION, &eviction()).await.unwrap()["status"], "Success");
    let pod = server.get("", "pods", "default", "p").unwrap();
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(pod["status"]["conditions"][0]["reason"], "EvictionByEvictionAPI");
}

#[tokio::test(start_paused = true)]
async fn an_eviction_can_be_denied_and_can_fail_like_any_request() {
    let server = server();
    place(&server, "p");
    let denied = Denied { subresource: Some("eviction".to_owned()), ..Denied::default() };
    server.deny(vec![denied]);
    let refused = send(&server, "POST", EVICTION, &eviction()).await.unwrap_err();
    assert_eq!(status(&refused).code, 403);
    server.deny(Vec::new());
    let on = RequestMatch::default().of("pods").subresource("eviction");
    let effect = FaultEffect::Refuse { code: 429, retry_after_s: Some(10) };
    server.inject(Fault { on, skip: 0, times: 1, effect });
    let refused = send(&server, "POST", EVICTION, &eviction()).await.unwrap_err();
    assert_eq!(status(&refused).code, 429);
    assert!(server.get("", "pods", "default", "p").unwrap()["metadata"]["deletionTimestamp"].is_null());
    send(&server, "POST", EVICTION, &eviction()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_applies_a_scale_owns_how_many_there_are() {
    let server = ApiServer::new(clock(), std::sync::Arc::new(NoDial), Settings::default());
    let template = json!({
        "metadata": { "labels": { "app": "a" } }, "spec": { "containers": [{ "name": "c", "image": "i:1" }] },
    });
    let spec = json!({ "selector": { "matchLabels": { "app": "a" } }, "template": template });
    let owner =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "o" }, "spec": spec });
    server.create(owner).unwrap();
    let scale = |replicas: u32| {
        json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "o" },
            "spec": { "replicas": replicas },
        })
    };
    let path = "/apis/apps/v1/namespaces/default/deployments/o/scale";
    let apply = async |manager: &str, replicas: u32| {
        let request = http::Request::patch(format!("{path}?fieldManager={manager}"))
            .header("content-type", "application/apply-patch+yaml")
            .body(scale(replicas).to_string().into_bytes())
            .unwrap();
        client(&server).request::<Value>(request).await
    };
    // What the creator has set by leaving it out is taken over with the same value, and then is the manager's.
    assert_eq!(apply("one", 1).await.unwrap()["spec"]["replicas"], 1);
    assert_eq!(status(&apply("two", 3).await.unwrap_err()).code, 409);
}
