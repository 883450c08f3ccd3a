//! Replacing an object, and its subresource `status`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    custom::Widgets,
    rig::{Rig, map, pod, version},
};

pub(super) async fn replacing_answers_200_and_a_new_version(rig: &Rig) {
    let mut object = rig.map("a", json!({"k": "1"})).await;
    let before = version(&object);
    object["data"]["k"] = json!("2");
    let answer = rig.put(&rig.core("configmaps/a"), object).await;
    assert_eq!(answer.code, 200);
    let after = answer.object();
    assert_eq!(after["data"], json!({"k": "2"}));
    assert_ne!(version(&after), before);
}

pub(super) async fn a_stale_version_conflicts(rig: &Rig) {
    let mut object = rig.map("a", json!({"k": "1"})).await;
    rig.merge(&rig.core("configmaps/a"), json!({"data": {"k": "2"}})).await.object();
    object["data"]["k"] = json!("3");
    let refused = rig.put(&rig.core("configmaps/a"), object).await;
    refused.refused(StatusCode::CONFLICT, "Conflict");
    assert!(
        refused.body["message"].as_str().is_some_and(|text| text.contains("the object has been modified"))
    );
}

pub(super) async fn without_a_version_the_last_writer_wins(rig: &Rig) {
    rig.map("a", json!({"k": "1", "l": "1"})).await;
    let replaced = rig.put(&rig.core("configmaps/a"), map("a", json!({"k": "2"}))).await.object();
    assert_eq!(replaced["data"], json!({"k": "2"}));
}

pub(super) async fn a_custom_resource_is_not_replaced_without_its_version(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    let refused = rig.put(&widgets.one("w"), widgets.widget("w", json!({"size": 2}))).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(refused.body["details"]["causes"][0]["field"], "metadata.resourceVersion");
}

pub(super) async fn what_changes_nothing_keeps_the_version(rig: &Rig) {
    let object = rig.map("a", json!({"k": "1"})).await;
    let again = rig.put(&rig.core("configmaps/a"), object.clone()).await.object();
    assert_eq!(version(&again), version(&object));
}

pub(super) async fn replacing_what_is_not_there_is_not_found(rig: &Rig) {
    let refused = rig.put(&rig.core("configmaps/a"), map("a", json!({}))).await;
    refused.refused(StatusCode::NOT_FOUND, "NotFound");
}

pub(super) async fn another_uid_is_another_object(rig: &Rig) {
    let mut object = rig.map("a", json!({})).await;
    object["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000");
    rig.put(&rig.core("configmaps/a"), object).await.refused(StatusCode::CONFLICT, "Conflict");
}

pub(super) async fn the_name_in_the_body_must_be_that_of_the_path(rig: &Rig) {
    rig.map("a", json!({})).await;
    let refused = rig.put(&rig.core("configmaps/a"), map("b", json!({}))).await;
    refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn the_creation_time_stays(rig: &Rig) {
    let mut object = rig.map("a", json!({"k": "1"})).await;
    let born = object["metadata"]["creationTimestamp"].clone();
    object["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    object["data"]["k"] = json!("2");
    let answer = rig.put(&rig.core("configmaps/a"), object).await;
    // Some kinds of some versions refuse it, the others keep the old one.
    let now = rig.get(&rig.core("configmaps/a")).await.object();
    assert!(answer.code == 200 || answer.code == 422, "{answer:?}");
    assert_eq!(now["metadata"]["creationTimestamp"], born);
}

pub(super) async fn only_what_is_wanted_counts_as_a_generation(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let generation = |object: &Value| object["metadata"]["generation"].as_u64();
    let created = widgets.create("w", json!({"size": 1})).await;
    assert_eq!(generation(&created), Some(1));
    let labelled = rig.merge(&widgets.one("w"), json!({"metadata": {"labels": {"a": "b"}}})).await.object();
    assert_eq!(generation(&labelled), Some(1));
    let status = rig.merge(&widgets.status("w"), json!({"status": {"done": true}})).await.object();
    assert_eq!(generation(&status), Some(1));
    let changed = rig.merge(&widgets.one("w"), json!({"spec": {"size": 2}})).await.object();
    assert_eq!(generation(&changed), Some(2));
}

pub(super) async fn a_new_object_has_no_status_of_its_own(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let mut widget = widgets.widget("w", json!({"size": 1}));
    widget["status"] = json!({"done": true});
    let created = rig.post(&widgets.all(), widget).await.object();
    assert_eq!(created.get("status"), None);
}

pub(super) async fn the_object_endpoint_leaves_the_status(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    rig.merge(&widgets.status("w"), json!({"status": {"done": true}})).await.object();
    let patch = json!({"spec": {"size": 2}, "status": {"done": false}});
    let patched = rig.merge(&widgets.one("w"), patch).await.object();
    assert_eq!((&patched["spec"]["size"], &patched["status"]["done"]), (&json!(2), &json!(true)));
}

pub(super) async fn the_status_endpoint_leaves_everything_else(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    let patch = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"size": 2}, "status": {"done": true}});
    let patched = rig.merge(&widgets.status("w"), patch).await.object();
    assert_eq!((&patched["spec"]["size"], &patched["status"]["done"]), (&json!(1), &json!(true)));
    assert_eq!(patched["metadata"].get("labels"), None);
}

pub(super) async fn the_status_is_compared_and_swapped_by_its_version(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let created = widgets.create("w", json!({"size": 1})).await;
    let patch =
        |done: bool| json!({"metadata": {"resourceVersion": version(&created)}, "status": {"done": done}});
    rig.merge(&widgets.status("w"), patch(true)).await.object();
    rig.merge(&widgets.status("w"), patch(false)).await.refused(StatusCode::CONFLICT, "Conflict");
    let mut stale = created.clone();
    stale["status"] = json!({"done": false});
    rig.put(&widgets.status("w"), stale).await.refused(StatusCode::CONFLICT, "Conflict");
}

pub(super) async fn a_pods_spec_is_settled_apart_from_its_image(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", None)).await.object();
    let image = json!({"spec": {"containers": [{"name": "main", "image": "example.org/main:2"}]}});
    let changed = rig.strategic(&rig.core("pods/p"), image).await.object();
    assert_eq!(changed["spec"]["containers"][0]["image"], "example.org/main:2");
    let refused = rig.strategic(&rig.core("pods/p"), json!({"spec": {"hostname": "other"}})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn the_status_of_a_pod_is_its_kubelets(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", None)).await.object();
    let running = json!({"status": {"phase": "Running", "podIP": "10.1.2.3"}});
    rig.strategic(&rig.core("pods/p/status"), running).await.object();
    let now = rig.get(&rig.core("pods/p")).await.object();
    assert_eq!((&now["status"]["phase"], &now["status"]["podIP"]), (&json!("Running"), &json!("10.1.2.3")));
    assert_eq!(now["spec"]["containers"][0]["image"], "example.org/main:1");
}

pub(super) async fn an_immutable_configmap_stays_as_it_is(rig: &Rig) {
    let mut object = map("a", json!({"k": "1"}));
    object["immutable"] = json!(true);
    rig.post(&rig.core("configmaps"), object).await.object();
    let refused = rig.merge(&rig.core("configmaps/a"), json!({"data": {"k": "2"}})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}
