//! JSON patch, merge patch, strategic merge patch.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    custom::Widgets,
    rig::{Rig, map, pod, version},
};

pub(super) async fn a_merge_patch_sets_and_a_null_removes(rig: &Rig) {
    rig.map("a", json!({"k": "1", "l": "1"})).await;
    let patched = rig.merge(&rig.core("configmaps/a"), json!({"data": {"k": null, "m": "2"}})).await;
    assert_eq!(patched.code, 200);
    assert_eq!(patched.object()["data"], json!({"l": "1", "m": "2"}));
}

pub(super) async fn a_merge_patch_replaces_a_whole_list(rig: &Rig) {
    let mut object = map("a", json!({}));
    object["metadata"]["finalizers"] = json!(["example.org/one", "example.org/two"]);
    rig.post(&rig.core("configmaps"), object).await.object();
    let patch = json!({"metadata": {"finalizers": ["example.org/three"]}});
    let patched = rig.merge(&rig.core("configmaps/a"), patch).await.object();
    assert_eq!(patched["metadata"]["finalizers"], json!(["example.org/three"]));
}

pub(super) async fn a_json_patch_does_its_operations_in_order(rig: &Rig) {
    rig.map("a", json!({"k": "1", "l": "1"})).await;
    let patch = json!([
        {"op": "test", "path": "/data/k", "value": "1"},
        {"op": "replace", "path": "/data/k", "value": "2"},
        {"op": "remove", "path": "/data/l"},
        {"op": "add", "path": "/metadata/labels", "value": {"tier": "db"}},
    ]);
    let patched = rig.json_patch(&rig.core("configmaps/a"), patch).await.object();
    assert_eq!(
        (&patched["data"], &patched["metadata"]["labels"]),
        (&json!({"k": "2"}), &json!({"tier": "db"}))
    );
}

pub(super) async fn a_json_patch_whose_test_fails_changes_nothing(rig: &Rig) {
    let before = rig.map("a", json!({"k": "1"})).await;
    let patch = json!([
        {"op": "replace", "path": "/data/k", "value": "2"},
        {"op": "test", "path": "/data/k", "value": "1"},
    ]);
    let refused = rig.json_patch(&rig.core("configmaps/a"), patch).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(rig.get(&rig.core("configmaps/a")).await.object(), before);
}

pub(super) async fn a_json_patch_of_a_path_that_is_not_there_is_refused(rig: &Rig) {
    rig.map("a", json!({"k": "1"})).await;
    let patch = json!([{"op": "remove", "path": "/data/nothing"}]);
    let refused = rig.json_patch(&rig.core("configmaps/a"), patch).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_patch_that_cannot_be_read_is_refused(rig: &Rig) {
    let before = rig.map("a", json!({"k": "1"})).await;
    let path = rig.core("configmaps/a");
    for kind in ["application/json-patch+json", "application/merge-patch+json"] {
        let answer = rig.send_bytes("PATCH", &path, kind, b"{no".to_vec()).await;
        // 400; older servers take it for an error of their own.
        assert!(matches!(answer.code, 400 | 500), "{kind}: {answer:?}");
    }
    assert_eq!(rig.get(&path).await.object(), before);
}

pub(super) async fn a_strategic_patch_merges_lists_by_their_key(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", None)).await.object();
    let patch = json!({"spec": {"containers": [{"name": "main", "image": "example.org/main:2"}]}});
    let patched = rig.strategic(&rig.core("pods/p"), patch).await.object();
    let containers = patched["spec"]["containers"].as_array().expect("a list");
    assert_eq!((containers.len(), &containers[0]["image"]), (1, &json!("example.org/main:2")));
    assert_eq!(containers[0]["terminationMessagePath"], "/dev/termination-log");
}

pub(super) async fn a_strategic_patch_adds_finalizers_to_those_that_are_there(rig: &Rig) {
    let mut object = map("a", json!({}));
    object["metadata"]["finalizers"] = json!(["example.org/one"]);
    rig.post(&rig.core("configmaps"), object).await.object();
    let patch = json!({"metadata": {"finalizers": ["example.org/two"]}});
    let patched = rig.strategic(&rig.core("configmaps/a"), patch).await.object();
    let mut finalizers: Vec<&str> = patched["metadata"]["finalizers"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    finalizers.sort_unstable();
    assert_eq!(finalizers, ["example.org/one", "example.org/two"]);
}

pub(super) async fn a_strategic_patch_of_a_custom_resource_is_not_supported(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    let refused = rig.strategic(&widgets.one("w"), json!({"spec": {"size": 2}})).await;
    refused.refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType");
}

pub(super) async fn a_patch_of_an_unknown_type_is_not_supported(rig: &Rig) {
    rig.map("a", json!({})).await;
    let refused = rig.send("PATCH", &rig.core("configmaps/a"), "text/plain", Some(json!({}))).await;
    refused.refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType");
}

pub(super) async fn a_patch_that_names_a_version_is_a_compare_and_swap(rig: &Rig) {
    let object = rig.map("a", json!({"k": "1"})).await;
    let patch = |to: &str| json!({"metadata": {"resourceVersion": version(&object)}, "data": {"k": to}});
    rig.merge(&rig.core("configmaps/a"), patch("2")).await.object();
    let refused = rig.merge(&rig.core("configmaps/a"), patch("3")).await;
    refused.refused(StatusCode::CONFLICT, "Conflict");
}

pub(super) async fn a_patch_of_what_is_not_there_is_not_found(rig: &Rig) {
    let refused = rig.merge(&rig.core("configmaps/a"), json!({"data": {"k": "1"}})).await;
    refused.refused(StatusCode::NOT_FOUND, "NotFound");
}

pub(super) async fn a_patch_that_changes_nothing_keeps_the_version(rig: &Rig) {
    let object = rig.map("a", json!({"k": "1"})).await;
    let patched = rig.merge(&rig.core("configmaps/a"), json!({"data": {"k": "1"}})).await.object();
    assert_eq!(version(&patched), version(&object));
}

pub(super) async fn a_patch_cannot_rename(rig: &Rig) {
    rig.map("a", json!({})).await;
    let refused = rig.merge(&rig.core("configmaps/a"), json!({"metadata": {"name": "b"}})).await;
    refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
}
