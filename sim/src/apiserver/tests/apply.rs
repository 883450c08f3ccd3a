use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    objects::pod,
    world::{client, server, status},
};

fn settings(data: &Value) -> Patch<Value> {
    Patch::Apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": data,
    }))
}

fn data(map: &ConfigMap) -> Value {
    json!(map.data)
}

#[tokio::test(start_paused = true)]
async fn applying_creates_the_object_and_applying_the_same_again_changes_nothing() {
    let server = server();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let params = PatchParams::apply("operator");
    let first = maps.patch("settings", &params, &settings(&json!({ "a": "1" }))).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    let again = maps.patch("settings", &params, &settings(&json!({ "a": "1" }))).await.unwrap();
    assert_eq!(again, first);
    let managed = first.managed_fields();
    assert_eq!(managed.len(), 1);
    assert_eq!(managed[0].manager.as_deref(), Some("operator"));
    assert_eq!(managed[0].operation.as_deref(), Some("Apply"));
    assert_eq!(json!(managed[0].fields_v1), json!({ "f:data": { "f:a": {} } }));
    let writes = server.log_of_writes();
    assert_eq!(
        writes.iter().map(|write| (write.code, write.changed)).collect::<Vec<_>>(),
        [(201, true), (200, false)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_field_that_a_manager_no_longer_applies_is_removed_unless_somebody_else_owns_it() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    maps.patch("settings", &PatchParams::apply("one"), &settings(&json!({ "a": "1", "b": "1", "c": "1" })))
        .await
        .unwrap();
    maps.patch("settings", &PatchParams::apply("two"), &settings(&json!({ "b": "1" }))).await.unwrap();
    let left =
        maps.patch("settings", &PatchParams::apply("one"), &settings(&json!({ "a": "1" }))).await.unwrap();
    assert_eq!(data(&left), json!({ "a": "1", "b": "1" }));
    let left = maps.patch("settings", &PatchParams::apply("two"), &settings(&json!({}))).await.unwrap();
    assert_eq!(data(&left), json!({ "a": "1" }));
}

#[tokio::test(start_paused = true)]
async fn a_field_of_another_manager_conflicts_until_it_is_forced() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    maps.patch("settings", &PatchParams::apply("one"), &settings(&json!({ "a": "1" }))).await.unwrap();
    let two = PatchParams::apply("two");
    let refused = maps.patch("settings", &two, &settings(&json!({ "a": "2" }))).await.unwrap_err();
    let said = status(&refused);
    assert_eq!((said.code, said.reason.as_str()), (409, "Conflict"));
    assert_eq!(said.message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    assert_eq!(said.details.as_ref().unwrap().causes[0].reason, "FieldManagerConflict");

    let taken = maps.patch("settings", &two.force(), &settings(&json!({ "a": "2" }))).await.unwrap();
    assert_eq!(data(&taken), json!({ "a": "2" }));
    let owners: Vec<&str> =
        taken.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
    assert_eq!(owners, ["two"]);
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_write_owns_what_it_changed() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let operator = PatchParams::apply("operator");
    maps.patch("settings", &operator, &settings(&json!({ "a": "1", "b": "1" }))).await.unwrap();
    let edit = Patch::Merge(json!({ "data": { "a": "person" } }));
    maps.patch("settings", &PatchParams::default(), &edit).await.unwrap();
    let refused =
        maps.patch("settings", &operator, &settings(&json!({ "a": "1", "b": "1" }))).await.unwrap_err();
    assert_eq!(
        status(&refused).message,
        "Apply failed with 1 conflict: conflict with \"test\" using v1: .data.a"
    );
}

#[tokio::test(start_paused = true)]
async fn an_apply_with_a_stale_version_conflicts() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let operator = PatchParams::apply("operator");
    let first = maps.patch("settings", &operator, &settings(&json!({ "a": "1" }))).await.unwrap();
    let versioned = |version: Option<String>, a: &str| {
        Patch::Apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "settings", "resourceVersion": version },
            "data": { "a": a },
        }))
    };
    maps.patch("settings", &operator, &versioned(first.resource_version(), "2")).await.unwrap();
    let stale =
        maps.patch("settings", &operator, &versioned(first.resource_version(), "3")).await.unwrap_err();
    assert_eq!(status(&stale).code, 409);
    assert_eq!(data(&maps.get("settings").await.unwrap()), json!({ "a": "2" }));
}

#[tokio::test(start_paused = true)]
async fn list_items_are_merged_by_their_key_and_owned_one_by_one() {
    let server = server();
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    pods.create(&PostParams::default(), &pod("orders-0")).await.unwrap();
    let conditions = |conditions: Value| {
        Patch::Apply(json!({ "apiVersion": "v1", "kind": "Pod", "status": { "conditions": conditions } }))
    };
    let gate = |status: &str| json!({ "type": "ms2m.io/owner", "status": status });
    let operator = PatchParams::apply("operator").force();
    pods.patch_status("orders-0", &operator, &conditions(json!([gate("False")]))).await.unwrap();
    let kubelet = PatchParams::apply("kubelet").force();
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    pods.patch_status("orders-0", &kubelet, &conditions(ready)).await.unwrap();
    pods.patch_status("orders-0", &operator, &conditions(json!([gate("True")]))).await.unwrap();

    let of = |pod: &Pod| -> Vec<(String, String)> {
        let conditions = pod.status.clone().unwrap().conditions.unwrap_or_default();
        let mut pairs: Vec<_> = conditions.into_iter().map(|one| (one.type_, one.status)).collect();
        pairs.retain(|(kind, _)| kind != "PodScheduled");
        pairs
    };
    let both = pods.get("orders-0").await.unwrap();
    assert_eq!(of(&both), [("ms2m.io/owner".into(), "True".into()), ("Ready".into(), "True".into())]);

    let gone = pods.patch_status("orders-0", &operator, &conditions(json!([]))).await.unwrap();
    assert_eq!(of(&gone), [("Ready".into(), "True".into())]);
}

#[tokio::test(start_paused = true)]
async fn applying_a_status_to_nothing_creates_nothing_and_applying_needs_a_manager() {
    let server = server();
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    let patch = Patch::Apply(json!({ "apiVersion": "v1", "kind": "Pod", "status": { "phase": "Running" } }));
    let missing = pods.patch_status("orders-0", &PatchParams::apply("operator"), &patch).await.unwrap_err();
    assert_eq!(status(&missing).code, 404);
    let request = http::Request::patch("/api/v1/namespaces/default/configmaps/settings")
        .header("content-type", "application/apply-patch+yaml")
        .body(b"{}".to_vec())
        .unwrap();
    let refused = client(&server).request::<Value>(request).await.unwrap_err();
    assert_eq!(status(&refused).code, 422);
}

#[tokio::test(start_paused = true)]
async fn applying_the_spec_of_a_running_pod_again_leaves_the_defaults_and_its_node() {
    let server = server();
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    let configuration = Patch::Apply(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "orders-0" },
        "spec": { "nodeSelector": { "zone": "west" }, "containers": [{ "name": "app", "image": "orders:1" }] },
    }));
    let operator = PatchParams::apply("operator").force();
    pods.patch("orders-0", &operator, &configuration).await.unwrap();
    server
        .create(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-a", "labels": { "zone": "west" } },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True" }], "allocatable": { "pods": "110" },
            },
        }))
        .unwrap();
    let bound = super::world::eventually("the pod is bound", || {
        server.get("", "pods", "default", "orders-0").filter(|pod| pod["spec"]["nodeName"] == "node-a")
    })
    .await;
    let again = pods.patch("orders-0", &operator, &configuration).await.unwrap();
    assert_eq!(again.resource_version(), bound["metadata"]["resourceVersion"].as_str().map(str::to_owned));
}
