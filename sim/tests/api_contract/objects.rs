//! What is created, and what is read.

use http::StatusCode;
use serde_json::{Value, json};

use crate::rig::{Rig, map, names, version};

pub(super) async fn a_created_object_is_stamped_with_uid_version_and_time(rig: &Rig) {
    let answer = rig.post(&rig.core("configmaps"), map("a", json!({"k": "v"}))).await;
    assert_eq!(answer.code, 201);
    let created = answer.object();
    let metadata = &created["metadata"];
    assert_eq!(metadata["uid"].as_str().map(str::len), Some(36));
    assert!(version(&created).parse::<u64>().is_ok_and(|version| version > 0));
    assert!(metadata["creationTimestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    assert_eq!(metadata["namespace"], rig.namespace);
    assert_eq!(rig.get(&rig.core("configmaps/a")).await.object(), created);
}

pub(super) async fn what_the_server_stamps_cannot_be_chosen(rig: &Rig) {
    let mut wanted = map("a", json!({}));
    wanted["metadata"]["uid"] = json!("mine");
    wanted["metadata"]["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
    let created = rig.post(&rig.core("configmaps"), wanted).await.object();
    assert_ne!(created["metadata"]["uid"], "mine");
    assert_ne!(created["metadata"]["creationTimestamp"], "2001-01-01T00:00:00Z");
}

pub(super) async fn an_object_cannot_be_created_with_a_version(rig: &Rig) {
    let mut wanted = map("a", json!({}));
    wanted["metadata"]["resourceVersion"] = json!("5");
    let refused = rig.post(&rig.core("configmaps"), wanted).await;
    assert!(refused.code >= 400, "{refused:?}");
    assert!(refused.body["message"].as_str().is_some_and(|text| text.contains("resourceVersion")));
}

pub(super) async fn creating_twice_is_already_exists(rig: &Rig) {
    rig.map("a", json!({})).await;
    let again = rig.post(&rig.core("configmaps"), map("a", json!({}))).await;
    again.refused(StatusCode::CONFLICT, "AlreadyExists");
    assert_eq!(again.body["message"], "configmaps \"a\" already exists");
}

pub(super) async fn what_is_not_there_is_not_found(rig: &Rig) {
    let missing = rig.get(&rig.core("pods/nobody")).await;
    missing.refused(StatusCode::NOT_FOUND, "NotFound");
    assert_eq!(missing.body["message"], "pods \"nobody\" not found");
    assert_eq!(missing.body["details"], json!({"name": "nobody", "kind": "pods"}));
}

pub(super) async fn a_namespace_that_is_not_there_takes_nothing_in(rig: &Rig) {
    let path = format!("/api/v1/namespaces/{}-absent/configmaps", rig.namespace);
    rig.post(&path, map("a", json!({}))).await.refused(StatusCode::NOT_FOUND, "NotFound");
    let list = rig.get(&path).await.object();
    assert_eq!(names(&list), Vec::<String>::new());
}

pub(super) async fn a_body_of_another_kind_is_a_bad_request(rig: &Rig) {
    let mut secret = map("a", json!({}));
    secret["kind"] = json!("Secret");
    rig.post(&rig.core("configmaps"), secret).await.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_body_that_is_no_json_is_a_bad_request(rig: &Rig) {
    let path = rig.core("configmaps");
    let answer = rig.send_bytes("POST", &path, "application/json", b"{\"kind\": ".to_vec()).await;
    answer.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_field_of_another_type_is_a_bad_request(rig: &Rig) {
    let refused = rig.post(&rig.core("configmaps"), map("a", json!({"k": 1}))).await;
    refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_name_that_is_no_dns_name_is_invalid(rig: &Rig) {
    let refused = rig.post(&rig.core("configmaps"), map("Not_A_Name", json!({}))).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(refused.body["details"]["causes"][0]["field"], "metadata.name");
}

pub(super) async fn an_object_without_a_name_is_invalid(rig: &Rig) {
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
    rig.post(&rig.core("configmaps"), nameless).await.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_generated_name_has_its_prefix_and_five_letters_more(rig: &Rig) {
    let template = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "run-"}});
    let name = |object: &Value| object["metadata"]["name"].as_str().expect("a name").to_owned();
    let one = name(&rig.post(&rig.core("configmaps"), template.clone()).await.object());
    let other = name(&rig.post(&rig.core("configmaps"), template).await.object());
    assert!(one.starts_with("run-") && one.len() == 9, "{one}");
    assert_ne!(one, other);
}

pub(super) async fn a_namespace_in_the_body_must_be_that_of_the_path(rig: &Rig) {
    let mut elsewhere = map("a", json!({}));
    elsewhere["metadata"]["namespace"] = json!("elsewhere");
    let refused = rig.post(&rig.core("configmaps"), elsewhere).await;
    refused.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_resource_that_is_not_served_is_not_found(rig: &Rig) {
    assert_eq!(rig.get(&rig.core("unicorns")).await.code, 404);
    assert_eq!(rig.get("/apis/nowhere.example.org/v1/things").await.code, 404);
}

pub(super) async fn a_method_that_a_path_does_not_serve_is_not_allowed(rig: &Rig) {
    let everywhere = rig.post("/api/v1/pods", json!({"metadata": {"name": "a"}})).await;
    everywhere.refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed");
    let collection = rig.put(&rig.core("configmaps"), json!({})).await;
    collection.refused(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed");
}

pub(super) async fn a_field_that_a_kind_does_not_have_is_dropped(rig: &Rig) {
    let mut odd = map("a", json!({"k": "v"}));
    odd["colour"] = json!("red");
    let created = rig.post(&rig.core("configmaps"), odd).await.object();
    assert_eq!((&created["colour"], &created["data"]["k"]), (&Value::Null, &json!("v")));
}

pub(super) async fn a_dry_run_answers_as_if_and_writes_nothing(rig: &Rig) {
    let path = rig.core("configmaps?dryRun=All");
    let answer = rig.post(&path, map("a", json!({"k": "v"}))).await;
    assert_eq!(answer.code, 201);
    assert_eq!(answer.object()["data"]["k"], "v");
    assert_eq!(rig.get(&rig.core("configmaps/a")).await.code, 404);
}

pub(super) async fn an_object_is_asked_for_as_its_metadata_only(rig: &Rig) {
    rig.map("a", json!({"k": "v"})).await;
    let request = http::Request::get(rig.core("configmaps/a"))
        .header("accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
        .body(kube::client::Body::empty())
        .unwrap();
    let body = http_body_util::BodyExt::collect(rig.response(request).await.into_body()).await.unwrap();
    let object: Value = serde_json::from_slice(&body.to_bytes()).unwrap();
    assert_eq!((&object["kind"], &object["data"]), (&json!("PartialObjectMetadata"), &Value::Null));
    assert_eq!(object["metadata"]["name"], "a");
}
