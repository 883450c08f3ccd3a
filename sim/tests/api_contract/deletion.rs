//! Deletion: at once, held back by finalizers, with grace, on conditions.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    custom::Widgets,
    rig::{Rig, map, names, pod, version},
};

async fn held(rig: &Rig) -> Value {
    let mut object = map("a", json!({"k": "1"}));
    object["metadata"]["finalizers"] = json!(["example.org/one"]);
    rig.post(&rig.core("configmaps"), object).await.object()
}

pub(super) async fn what_nothing_holds_is_gone_at_once(rig: &Rig) {
    let object = rig.map("a", json!({})).await;
    let answer = rig.delete(&rig.core("configmaps/a"), json!({})).await;
    assert_eq!(
        (answer.code, &answer.body["kind"], &answer.body["status"]),
        (200, &json!("Status"), &json!("Success"))
    );
    assert_eq!(answer.body["details"]["uid"], object["metadata"]["uid"]);
    assert_eq!(rig.get(&rig.core("configmaps/a")).await.code, 404);
}

pub(super) async fn what_is_not_there_cannot_be_deleted(rig: &Rig) {
    rig.delete(&rig.core("configmaps/a"), json!({})).await.refused(StatusCode::NOT_FOUND, "NotFound");
}

pub(super) async fn a_name_that_is_used_again_is_another_object(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    rig.delete(&rig.core("configmaps/a"), json!({})).await.object();
    let second = rig.map("a", json!({})).await;
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
}

pub(super) async fn a_finalizer_holds_an_object_back(rig: &Rig) {
    held(rig).await;
    let answer = rig.delete(&rig.core("configmaps/a"), json!({})).await.object();
    assert!(answer["metadata"]["deletionTimestamp"].is_string(), "the object is answered: {answer}");
    let again = rig.delete(&rig.core("configmaps/a"), json!({})).await.object();
    assert_eq!(version(&again), version(&answer), "deleting twice changes nothing");
}

pub(super) async fn it_goes_with_its_last_finalizer(rig: &Rig) {
    held(rig).await;
    rig.delete(&rig.core("configmaps/a"), json!({})).await.object();
    let last = rig.merge(&rig.core("configmaps/a"), json!({"metadata": {"finalizers": null}})).await;
    assert_eq!((last.code, last.body["metadata"].get("finalizers")), (200, None));
    assert_eq!(rig.get(&rig.core("configmaps/a")).await.code, 404);
}

pub(super) async fn a_going_object_takes_no_new_finalizer(rig: &Rig) {
    held(rig).await;
    rig.delete(&rig.core("configmaps/a"), json!({})).await.object();
    let more = json!({"metadata": {"finalizers": ["example.org/one", "example.org/two"]}});
    rig.merge(&rig.core("configmaps/a"), more).await.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_going_object_may_be_changed_otherwise(rig: &Rig) {
    held(rig).await;
    rig.delete(&rig.core("configmaps/a"), json!({})).await.object();
    let changed = rig.merge(&rig.core("configmaps/a"), json!({"data": {"k": "2"}})).await.object();
    assert_eq!(changed["data"]["k"], "2");
    assert!(changed["metadata"]["deletionTimestamp"].is_string());
}

pub(super) async fn the_deletion_of_a_custom_resource_is_a_generation(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let mut widget = widgets.widget("w", json!({"size": 1}));
    widget["metadata"]["finalizers"] = json!(["example.org/one"]);
    rig.post(&widgets.all(), widget).await.object();
    let going = rig.delete(&widgets.one("w"), json!({})).await.object();
    assert_eq!(
        (&going["metadata"]["generation"], &going["metadata"]["deletionGracePeriodSeconds"]),
        (&json!(2), &json!(0))
    );
}

pub(super) async fn preconditions_must_hold(rig: &Rig) {
    let object = rig.map("a", json!({})).await;
    let path = rig.core("configmaps/a");
    let other_uid = json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}});
    rig.delete(&path, other_uid).await.refused(StatusCode::CONFLICT, "Conflict");
    rig.delete(&path, json!({"preconditions": {"resourceVersion": "1"}}))
        .await
        .refused(StatusCode::CONFLICT, "Conflict");
    let right =
        json!({"preconditions": {"uid": object["metadata"]["uid"], "resourceVersion": version(&object)}});
    rig.delete(&path, right).await.object();
}

pub(super) async fn a_dry_run_deletes_nothing(rig: &Rig) {
    rig.map("a", json!({})).await;
    assert_eq!(rig.delete(&rig.core("configmaps/a"), json!({"dryRun": ["All"]})).await.code, 200);
    assert_eq!(rig.get(&rig.core("configmaps/a")).await.code, 200);
}

pub(super) async fn options_in_the_body_stand_for_those_of_the_query(rig: &Rig) {
    rig.map("a", json!({})).await;
    rig.delete(&rig.core("configmaps/a?dryRun=All"), json!({})).await.object();
    assert_eq!(rig.get(&rig.core("configmaps/a")).await.code, 404);
    rig.map("b", json!({})).await;
    rig.send("DELETE", &rig.core("configmaps/b?dryRun=All"), "application/json", None).await.object();
    assert_eq!(rig.get(&rig.core("configmaps/b")).await.code, 200);
}

pub(super) async fn a_pod_without_a_node_goes_at_once(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", None)).await.object();
    rig.delete(&rig.core("pods/p"), json!({})).await.object();
    assert_eq!(rig.get(&rig.core("pods/p")).await.code, 404);
}

pub(super) async fn a_pod_on_a_node_waits_for_its_kubelet(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", Some("node-a"))).await.object();
    let going = rig.delete(&rig.core("pods/p"), json!({})).await.object();
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(rig.get(&rig.core("pods/p")).await.code, 200);
}

pub(super) async fn the_grace_of_a_going_pod_only_shrinks(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", Some("node-a"))).await.object();
    let grace = |object: &Value| object["metadata"]["deletionGracePeriodSeconds"].as_u64();
    rig.delete(&rig.core("pods/p"), json!({"gracePeriodSeconds": 10})).await.object();
    let longer = rig.delete(&rig.core("pods/p"), json!({"gracePeriodSeconds": 20})).await.object();
    assert_eq!(grace(&longer), Some(10));
    let shorter = rig.delete(&rig.core("pods/p"), json!({"gracePeriodSeconds": 5})).await.object();
    assert_eq!(grace(&shorter), Some(5));
}

pub(super) async fn no_grace_ends_a_pod_at_once(rig: &Rig) {
    rig.post(&rig.core("pods"), pod("p", Some("node-a"))).await.object();
    rig.delete(&rig.core("pods/p"), json!({})).await.object();
    rig.delete(&rig.core("pods/p"), json!({"gracePeriodSeconds": 0})).await.object();
    assert_eq!(rig.get(&rig.core("pods/p")).await.code, 404);
}

pub(super) async fn a_pod_with_a_finalizer_stays_after_its_kubelet_is_done(rig: &Rig) {
    let mut held = pod("p", Some("node-a"));
    held["metadata"]["finalizers"] = json!(["example.org/one"]);
    rig.post(&rig.core("pods"), held).await.object();
    rig.delete(&rig.core("pods/p"), json!({"gracePeriodSeconds": 0})).await.object();
    let there = rig.get(&rig.core("pods/p")).await.object();
    assert_eq!(there["metadata"]["deletionGracePeriodSeconds"], 0);
    rig.merge(&rig.core("pods/p"), json!({"metadata": {"finalizers": null}})).await.object();
    assert_eq!(rig.get(&rig.core("pods/p")).await.code, 404);
}

pub(super) async fn the_foreground_policy_is_a_finalizer(rig: &Rig) {
    rig.map("a", json!({})).await;
    let going =
        rig.delete(&rig.core("configmaps/a"), json!({"propagationPolicy": "Foreground"})).await.object();
    assert_eq!(going["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert!(going["metadata"]["deletionTimestamp"].is_string());
}

pub(super) async fn the_orphan_policy_is_a_finalizer(rig: &Rig) {
    rig.map("a", json!({})).await;
    let going = rig.delete(&rig.core("configmaps/a"), json!({"propagationPolicy": "Orphan"})).await.object();
    assert_eq!(going["metadata"]["finalizers"], json!(["orphan"]));
}

pub(super) async fn a_policy_that_does_not_exist_is_invalid(rig: &Rig) {
    rig.map("a", json!({})).await;
    let refused = rig.delete(&rig.core("configmaps/a"), json!({"propagationPolicy": "Sideways"})).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_collection_is_deleted_by_selector(rig: &Rig) {
    for (name, run) in [("a", "1"), ("b", "2"), ("c", "1")] {
        let mut object = map(name, json!({}));
        object["metadata"]["labels"] = json!({"run": run});
        rig.post(&rig.core("configmaps"), object).await.object();
    }
    rig.delete(&rig.core("configmaps?labelSelector=run%3D1"), json!({})).await.object();
    let left = rig.get(&rig.core("configmaps?labelSelector=run")).await.object();
    assert_eq!(names(&left), ["b"]);
}
