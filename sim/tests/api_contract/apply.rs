//! Server-side apply: who owns which field.

use http::StatusCode;
use serde_json::{Value, json};

use crate::rig::{Rig, map, version};

fn entry<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    object["metadata"]["managedFields"].as_array()?.iter().find(|entry| entry["manager"] == manager)
}

pub(super) async fn applying_what_is_not_there_creates_it(rig: &Rig) {
    let applied = rig.apply(&rig.core("configmaps/a"), "one", map("a", json!({"k": "1"}))).await;
    assert_eq!(applied.code, 201);
    let applied = applied.object();
    let entry = entry(&applied, "one").expect("an entry");
    assert_eq!((&entry["operation"], &entry["apiVersion"]), (&json!("Apply"), &json!("v1")));
    assert_eq!(entry["fieldsType"], "FieldsV1");
    assert_eq!(entry["fieldsV1"], json!({"f:data": {"f:k": {}}}));
}

pub(super) async fn applying_needs_a_manager(rig: &Rig) {
    let body = Some(map("a", json!({})));
    let refused = rig.send("PATCH", &rig.core("configmaps/a"), "application/apply-patch+yaml", body).await;
    assert_eq!(refused.code, 422, "{refused:?}");
    assert_eq!(rig.get(&rig.core("configmaps/a")).await.code, 404);
}

pub(super) async fn applying_the_same_again_changes_nothing(rig: &Rig) {
    let path = rig.core("configmaps/a");
    let first = rig.apply(&path, "one", map("a", json!({"k": "1"}))).await.object();
    let again = rig.apply(&path, "one", map("a", json!({"k": "1"}))).await;
    assert_eq!(again.code, 200);
    assert_eq!(version(&again.object()), version(&first));
}

pub(super) async fn a_field_that_is_no_longer_applied_is_removed(rig: &Rig) {
    let path = rig.core("configmaps/a");
    rig.apply(&path, "one", map("a", json!({"k": "1", "l": "1"}))).await.object();
    let applied = rig.apply(&path, "one", map("a", json!({"k": "1"}))).await.object();
    assert_eq!(applied["data"], json!({"k": "1"}));
}

pub(super) async fn a_field_with_another_owner_stays_when_it_is_no_longer_applied(rig: &Rig) {
    let path = rig.core("configmaps/a");
    rig.apply(&path, "one", map("a", json!({"k": "1", "l": "1"}))).await.object();
    rig.apply(&path, "two", map("a", json!({"l": "1"}))).await.object();
    let applied = rig.apply(&path, "one", map("a", json!({"k": "1"}))).await.object();
    assert_eq!(applied["data"], json!({"k": "1", "l": "1"}));
}

pub(super) async fn another_managers_value_conflicts(rig: &Rig) {
    let path = rig.core("configmaps/a");
    rig.apply(&path, "one", map("a", json!({"k": "1"}))).await.object();
    let refused = rig.apply(&path, "two", map("a", json!({"k": "2"}))).await;
    refused.refused(StatusCode::CONFLICT, "Conflict");
    let cause = &refused.body["details"]["causes"][0];
    assert_eq!((&cause["reason"], &cause["field"]), (&json!("FieldManagerConflict"), &json!(".data.k")));
    assert!(cause["message"].as_str().is_some_and(|text| text.contains("\"one\"")), "{cause}");
}

pub(super) async fn the_same_value_of_two_managers_is_shared(rig: &Rig) {
    let path = rig.core("configmaps/a");
    rig.apply(&path, "one", map("a", json!({"k": "1"}))).await.object();
    let shared = rig.apply(&path, "two", map("a", json!({"k": "1"}))).await.object();
    assert!(entry(&shared, "one").is_some() && entry(&shared, "two").is_some());
}

pub(super) async fn who_forces_takes_the_field_away(rig: &Rig) {
    let path = rig.core("configmaps/a");
    rig.apply(&path, "one", map("a", json!({"k": "1", "l": "1"}))).await.object();
    let forced = rig.apply(&format!("{path}?force=true"), "two", map("a", json!({"k": "2"}))).await.object();
    assert_eq!(forced["data"], json!({"k": "2", "l": "1"}));
    assert_eq!(entry(&forced, "one").expect("an entry")["fieldsV1"], json!({"f:data": {"f:l": {}}}));
    assert_eq!(entry(&forced, "two").expect("an entry")["fieldsV1"], json!({"f:data": {"f:k": {}}}));
}

pub(super) async fn forcing_is_for_applies_only(rig: &Rig) {
    rig.map("a", json!({})).await;
    let path = rig.core("configmaps/a?force=true");
    let refused = rig.merge(&path, json!({"data": {"k": "1"}})).await;
    assert_eq!(refused.code, 422, "{refused:?}");
}

pub(super) async fn an_ordinary_write_owns_what_it_changed(rig: &Rig) {
    let path = rig.core("configmaps/a?fieldManager=writer");
    rig.map("a", json!({"k": "1"})).await;
    let written = rig.merge(&path, json!({"data": {"l": "2"}})).await.object();
    let entry = entry(&written, "writer").expect("an entry");
    assert_eq!(
        (&entry["operation"], &entry["fieldsV1"]),
        (&json!("Update"), &json!({"f:data": {"f:l": {}}}))
    );
}

pub(super) async fn a_writer_that_says_no_name_is_called_like_its_program(rig: &Rig) {
    let created = rig.map("a", json!({"k": "1"})).await;
    // The user agent up to the first slash.
    let entry = entry(&created, "ms2m").expect("an entry");
    assert_eq!(entry["fieldsV1"], json!({"f:data": {".": {}, "f:k": {}}}));
}

pub(super) async fn an_apply_takes_a_field_over_that_an_update_wrote_with_the_same_value(rig: &Rig) {
    let path = rig.core("configmaps/a");
    rig.post(&rig.core("configmaps?fieldManager=writer"), map("a", json!({"k": "1"}))).await.object();
    rig.apply(&path, "one", map("a", json!({"k": "2"}))).await.refused(StatusCode::CONFLICT, "Conflict");
    let shared = rig.apply(&path, "one", map("a", json!({"k": "1"}))).await.object();
    assert!(entry(&shared, "one").is_some() && entry(&shared, "writer").is_some());
}

pub(super) async fn list_items_are_owned_one_by_one(rig: &Rig) {
    let service = |name: &str, port: u16| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"ports": [{"name": name, "port": port, "protocol": "TCP"}]},
        })
    };
    let path = rig.core("services/s");
    rig.apply(&path, "one", service("http", 80)).await.object();
    let both = rig.apply(&path, "two", service("metrics", 9_000)).await.object();
    let ports = |object: &Value| -> Vec<u64> {
        let ports = object["spec"]["ports"].as_array().expect("a list");
        let mut ports: Vec<u64> = ports.iter().filter_map(|port| port["port"].as_u64()).collect();
        ports.sort_unstable();
        ports
    };
    assert_eq!(ports(&both), [80, 9_000]);
    let refused = rig.apply(&path, "two", service("other", 80)).await;
    refused.refused(StatusCode::CONFLICT, "Conflict");
}

pub(super) async fn an_apply_that_names_an_old_version_conflicts(rig: &Rig) {
    let path = rig.core("configmaps/a");
    let first = rig.apply(&path, "one", map("a", json!({"k": "1"}))).await.object();
    rig.apply(&path, "one", map("a", json!({"k": "2"}))).await.object();
    let mut stale = map("a", json!({"k": "3"}));
    stale["metadata"]["resourceVersion"] = json!(version(&first));
    rig.apply(&path, "one", stale).await.refused(StatusCode::CONFLICT, "Conflict");
}

pub(super) async fn managed_fields_cannot_be_applied(rig: &Rig) {
    let mut object = map("a", json!({}));
    object["metadata"]["managedFields"] = json!([{"manager": "one", "operation": "Apply"}]);
    let refused = rig.apply(&rig.core("configmaps/a"), "one", object).await;
    refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_status_is_not_applied_to_what_is_not_there(rig: &Rig) {
    let status =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": "Running"}});
    let refused = rig.apply(&rig.core("pods/p/status"), "one", status).await;
    refused.refused(StatusCode::NOT_FOUND, "NotFound");
}
