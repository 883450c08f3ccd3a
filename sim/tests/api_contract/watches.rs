//! Watches: what is told, from when on, and how a watch ends.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    custom::Widgets,
    rig::{Rig, version},
};

async fn label(rig: &Rig, name: &str, tier: &str) -> Value {
    let patch = json!({"metadata": {"labels": {"tier": tier}}});
    rig.merge(&rig.core(&format!("configmaps/{name}")), patch).await.object()
}

pub(super) async fn a_watch_tells_what_happened_after_its_version(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    rig.map("b", json!({})).await;
    label(rig, "b", "db").await;
    rig.delete(&rig.core("configmaps/b"), json!({})).await.object();
    let query = format!("resourceVersion={}", version(&first));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    assert_eq!(watch.code, 200);
    assert_eq!(watch.tell(3).await, ["ADDED b", "MODIFIED b", "DELETED b"]);
    watch.is_silent().await;
}

pub(super) async fn a_watch_tells_what_happens_while_it_is_open(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let query = format!("resourceVersion={}", version(&first));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    watch.is_silent().await;
    rig.map("b", json!({})).await;
    assert_eq!(watch.tell(1).await, ["ADDED b"]);
    label(rig, "a", "db").await;
    assert_eq!(watch.tell(1).await, ["MODIFIED a"]);
}

pub(super) async fn a_watch_from_zero_begins_with_what_is_there(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("v", json!({"size": 1})).await;
    widgets.create("w", json!({"size": 1})).await;
    let mut watch = rig.watch(&widgets.all(), "resourceVersion=0").await;
    let mut told = watch.tell(2).await;
    told.sort_unstable();
    assert_eq!(told, ["ADDED v", "ADDED w"]);
}

pub(super) async fn an_event_carries_the_object_as_it_was_written(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let query = format!("resourceVersion={}", version(&first));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    let written = label(rig, "a", "db").await;
    let event = watch.event().await.expect("an event");
    assert_eq!(event, json!({"type": "MODIFIED", "object": written}));
}

pub(super) async fn a_deletion_carries_the_last_state_and_a_version_of_its_own(rig: &Rig) {
    let last = rig.map("a", json!({"k": "1"})).await;
    let query = format!("resourceVersion={}", version(&last));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    rig.delete(&rig.core("configmaps/a"), json!({})).await.object();
    let event = watch.event().await.expect("an event");
    assert_eq!((&event["type"], &event["object"]["data"]), (&json!("DELETED"), &json!({"k": "1"})));
    let number = |object: &Value| version(object).parse::<u64>().expect("a number");
    assert!(number(&event["object"]) > number(&last));
}

pub(super) async fn what_begins_to_match_is_added_and_what_ceases_to_is_deleted(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let query = format!("resourceVersion={}&labelSelector=tier%20in%20(web,cache)", version(&first));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    for tier in ["web", "cache", "db"] {
        label(rig, "a", tier).await;
    }
    assert_eq!(watch.tell(3).await, ["ADDED a", "MODIFIED a", "DELETED a"]);
    watch.is_silent().await;
}

pub(super) async fn one_object_is_watched_by_its_name(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let query = format!("resourceVersion={}&fieldSelector=metadata.name%3Db", version(&first));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    label(rig, "a", "db").await;
    rig.map("b", json!({})).await;
    assert_eq!(watch.tell(1).await, ["ADDED b"]);
}

pub(super) async fn a_watch_of_a_namespace_tells_nothing_of_others(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let query = format!("resourceVersion={}", version(&first));
    let mut watch = rig.watch("/api/v1/namespaces/default/configmaps", &query).await;
    label(rig, "a", "db").await;
    watch.is_silent().await;
}

pub(super) async fn a_watch_ends_at_its_timeout(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let begun = Instant::now();
    let query = format!("resourceVersion={}&timeoutSeconds=2", version(&first));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    assert_eq!(watch.event().await, None);
    assert!((1..=5).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

pub(super) async fn a_silent_watch_says_before_its_end_how_far_it_is(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    let first = widgets.create("w", json!({"size": 1})).await;
    let query = format!("resourceVersion={}&allowWatchBookmarks=true&timeoutSeconds=5", version(&first));
    let mut watch = rig.watch(&widgets.all(), &query).await;
    // A server that has heard of nothing since it began to watch has nothing to mark.
    widgets.create("x", json!({"size": 1})).await;
    assert_eq!(watch.event().await.expect("an event")["type"], "ADDED");
    let mark = watch.event().await.expect("a bookmark");
    assert_eq!(mark["type"], "BOOKMARK");
    let number = |object: &Value| version(object).parse::<u64>().expect("a number");
    assert!(number(&mark["object"]) >= number(&first));
    assert_eq!((&mark["object"]["kind"], mark["object"].get("spec")), (&json!("Widget"), None));
}

pub(super) async fn nobody_gets_bookmarks_who_did_not_ask(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let query = format!("resourceVersion={}&timeoutSeconds=3", version(&first));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    assert_eq!(watch.event().await, None);
}

pub(super) async fn what_the_server_has_forgotten_is_gone(rig: &Rig) {
    let widgets = Widgets::define(rig).await;
    widgets.create("w", json!({"size": 1})).await;
    let query = format!("resourceVersion={}", rig.forgotten_version());
    let mut watch = rig.watch(&widgets.all(), &query).await;
    let event = watch.event().await.expect("an event");
    assert_eq!(event["type"], "ERROR");
    assert_eq!((&event["object"]["code"], &event["object"]["reason"]), (&json!(410), &json!("Expired")));
    assert_eq!(watch.event().await, None);
}

pub(super) async fn two_watches_tell_the_same_in_the_same_order(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let query = format!("resourceVersion={}", version(&first));
    let mut one = rig.watch(&rig.core("configmaps"), &query).await;
    for name in ["b", "c", "d"] {
        rig.map(name, json!({})).await;
        label(rig, "a", name).await;
    }
    let mut other = rig.watch(&rig.core("configmaps"), &query).await;
    assert_eq!(one.tell(6).await, other.tell(6).await);
}

pub(super) async fn a_finalized_object_is_modified_first_and_deleted_at_its_end(rig: &Rig) {
    let first = rig.map("a", json!({})).await;
    let finalizers = |value: Value| json!({"metadata": {"finalizers": value}});
    let path = rig.core("configmaps/a");
    rig.merge(&path, finalizers(json!(["example.org/one"]))).await.object();
    rig.delete(&path, json!({})).await.object();
    rig.merge(&path, finalizers(Value::Null)).await.object();
    let query = format!("resourceVersion={}", version(&first));
    let mut watch = rig.watch(&rig.core("configmaps"), &query).await;
    assert_eq!(watch.tell(3).await, ["MODIFIED a", "MODIFIED a", "DELETED a"]);
}
