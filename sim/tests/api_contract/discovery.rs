//! Who the server is, what it serves, and what one may do.

use serde_json::{Value, json};

use crate::rig::Rig;

pub(super) async fn the_server_says_its_version(rig: &Rig) {
    let version = rig.get("/version").await.object();
    assert!(version["gitVersion"].as_str().is_some_and(|text| text.starts_with('v')), "{version}");
    assert!(version["major"].is_string() && version["minor"].is_string());
}

pub(super) async fn the_server_says_when_it_is_ready(rig: &Rig) {
    for path in ["/healthz", "/readyz", "/livez"] {
        let answer = rig.get(path).await;
        assert_eq!((answer.code, &answer.body), (200, &json!("ok")), "{path}");
    }
}

pub(super) async fn the_core_group_has_its_versions(rig: &Rig) {
    let versions = rig.get("/api").await.object();
    assert_eq!((&versions["kind"], &versions["versions"]), (&json!("APIVersions"), &json!(["v1"])));
}

pub(super) async fn the_other_groups_are_listed_with_what_they_prefer(rig: &Rig) {
    let groups = rig.get("/apis").await.object();
    assert_eq!(groups["kind"], "APIGroupList");
    let groups = groups["groups"].as_array().expect("a list");
    let batch = groups.iter().find(|group| group["name"] == "batch").expect("batch");
    assert_eq!(batch["preferredVersion"], json!({"groupVersion": "batch/v1", "version": "v1"}));
}

pub(super) async fn resources_are_listed_with_their_verbs(rig: &Rig) {
    let list = rig.get("/api/v1").await.object();
    let resources = list["resources"].as_array().expect("a list");
    let named = |name: &str| resources.iter().find(|one| one["name"] == name).expect("it is served");
    let verbs = |one: &Value| -> Vec<String> {
        let verbs = one["verbs"].as_array().expect("verbs");
        verbs.iter().filter_map(|verb| verb.as_str().map(str::to_owned)).collect()
    };
    let pods = named("pods");
    assert_eq!((&pods["kind"], &pods["namespaced"]), (&json!("Pod"), &json!(true)));
    for verb in ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"] {
        assert!(verbs(pods).contains(&verb.to_owned()), "{verb}");
    }
    assert_eq!(verbs(named("pods/status")), ["get", "patch", "update"]);
    assert_eq!(named("nodes")["namespaced"], false);
}

pub(super) async fn one_may_ask_what_one_may_do(rig: &Rig) {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": rig.namespace, "verb": "create", "resource": "pods"}},
    });
    let answer = rig.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).await;
    assert_eq!(answer.code, 201);
    assert_eq!(answer.object()["status"]["allowed"], true);
}

pub(super) async fn a_path_that_leads_nowhere_is_not_found(rig: &Rig) {
    assert_eq!(rig.get("/nowhere").await.code, 404);
}
