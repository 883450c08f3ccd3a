use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};

use super::{
    objects::{from, pod},
    world::{client, eventually, server, status},
};
use crate::apiserver::ApiServer;

fn maps(server: &ApiServer) -> Api<ConfigMap> {
    Api::default_namespaced(client(server))
}

async fn create(server: &ApiServer, metadata: Value) -> ConfigMap {
    maps(server).create(&PostParams::default(), &from(json!({ "metadata": metadata }))).await.unwrap()
}

fn names(server: &ApiServer) -> Vec<String> {
    let maps = server.list("", "configmaps", "");
    maps.iter().map(|map| map["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn owned_by(owner: &ConfigMap, name: &str) -> Value {
    json!({
        "name": name,
        "ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid(),
            "blockOwnerDeletion": true,
        }],
    })
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_an_object_back_until_it_is_taken_away() {
    let server = server();
    create(&server, json!({ "name": "held", "finalizers": ["ms2m.io/cleanup"] })).await;
    let begun = maps(&server).delete("held", &DeleteParams::default()).await.unwrap();
    let begun = begun.left().expect("the object is answered, not a Status");
    assert!(begun.metadata.deletion_timestamp.is_some());
    let again = maps(&server).delete("held", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(again.resource_version(), begun.resource_version(), "deleting twice changes nothing");

    let more = Patch::Merge(json!({ "metadata": { "finalizers": ["ms2m.io/cleanup", "other"] } }));
    let refused = maps(&server).patch("held", &PatchParams::default(), &more).await.unwrap_err();
    assert_eq!(status(&refused).code, 422);

    let none: Patch<Value> = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    maps(&server).patch("held", &PatchParams::default(), &none).await.unwrap();
    assert_eq!(maps(&server).get_opt("held").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_preconditions_do_not_hold_conflicts() {
    let server = server();
    let map = create(&server, json!({ "name": "a" })).await;
    let with = |uid: Option<String>, resource_version: Option<String>| DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version }),
        ..DeleteParams::default()
    };
    for wrong in [with(Some("other".into()), None), with(None, Some("1".into()))] {
        assert_eq!(status(&maps(&server).delete("a", &wrong).await.unwrap_err()).code, 409);
    }
    let right = with(map.uid(), map.resource_version());
    assert!(maps(&server).delete("a", &right).await.unwrap().is_right());
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_node_waits_for_its_kubelet_and_one_without_a_node_does_not() {
    let server = server();
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    pods.create(&PostParams::default(), &pod("waiting")).await.unwrap();
    pods.delete("waiting", &DeleteParams::default()).await.unwrap();
    assert_eq!(pods.get_opt("waiting").await.unwrap(), None);

    let mut placed = pod("placed");
    placed.spec.as_mut().unwrap().node_name = Some("node-a".to_owned());
    pods.create(&PostParams::default(), &placed).await.unwrap();
    let begun = pods.delete("placed", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(begun.metadata.deletion_grace_period_seconds, Some(30));
    let sooner =
        pods.delete("placed", &DeleteParams::default().grace_period(5)).await.unwrap().left().unwrap();
    assert_eq!(sooner.metadata.deletion_grace_period_seconds, Some(5));
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(pods.get_opt("placed").await.unwrap().is_some(), "only the kubelet confirms");
    pods.delete("placed", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert_eq!(pods.get_opt("placed").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn dependents_go_after_their_owner_and_those_of_theirs_too() {
    let server = server();
    let owner = create(&server, json!({ "name": "owner" })).await;
    let child = create(&server, owned_by(&owner, "child")).await;
    create(&server, owned_by(&child, "grandchild")).await;
    create(&server, json!({ "name": "stranger" })).await;
    maps(&server).delete("owner", &DeleteParams::background()).await.unwrap();
    eventually("the dependents are collected", || (names(&server) == ["stranger"]).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn dependents_stay_when_they_are_orphaned() {
    let server = server();
    let owner = create(&server, json!({ "name": "owner" })).await;
    create(&server, owned_by(&owner, "child")).await;
    maps(&server).delete("owner", &DeleteParams::orphan()).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(names(&server), ["child"]);
    assert_eq!(maps(&server).get("child").await.unwrap().owner_references(), []);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_deleted_in_the_foreground_goes_last() {
    let server = server();
    let owner = create(&server, json!({ "name": "owner" })).await;
    let mut child = owned_by(&owner, "child");
    child["finalizers"] = json!(["ms2m.io/cleanup"]);
    create(&server, child).await;
    maps(&server).delete("owner", &DeleteParams::foreground()).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(names(&server), ["child", "owner"]);
    let none: Patch<Value> = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    maps(&server).patch("child", &PatchParams::default(), &none).await.unwrap();
    eventually("both are gone", || names(&server).is_empty().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_namespace_takes_its_content_along_and_takes_nothing_new_in() {
    let server = server();
    let namespaces: Api<Namespace> = Api::all(client(&server));
    namespaces
        .create(&PostParams::default(), &from(json!({ "metadata": { "name": "shop" } })))
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client(&server), "shop");
    let held = json!({ "metadata": { "name": "a", "finalizers": ["ms2m.io/cleanup"] } });
    maps.create(&PostParams::default(), &from(held)).await.unwrap();
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let refused = maps.create(&PostParams::default(), &from(json!({ "metadata": { "name": "b" } }))).await;
    assert_eq!(status(&refused.unwrap_err()).code, 403);
    let none: Patch<Value> = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    maps.patch("a", &PatchParams::default(), &none).await.unwrap();
    eventually("the namespace is gone", || server.get("", "namespaces", "", "shop").is_none().then_some(()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_deleted_by_selector() {
    let server = server();
    create(&server, json!({ "name": "a", "labels": { "run": "1" } })).await;
    create(&server, json!({ "name": "b", "labels": { "run": "2" } })).await;
    let selected = kube::api::ListParams::default().labels("run=1");
    maps(&server).delete_collection(&DeleteParams::default(), &selected).await.unwrap();
    assert_eq!(names(&server), ["b"]);
}

fn owned_by_both(one: &ConfigMap, other: &ConfigMap, name: &str) -> Value {
    let mut metadata = owned_by(one, name);
    let more = owned_by(other, name)["ownerReferences"][0].clone();
    metadata["ownerReferences"].as_array_mut().unwrap().push(more);
    metadata
}

async fn owners(server: &ApiServer, name: &str) -> Vec<String> {
    let object = maps(server).get(name).await.unwrap();
    object.owner_references().iter().map(|reference| reference.name.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dependent_with_another_owner_that_lives_forgets_the_one_that_is_gone() {
    for params in [DeleteParams::background(), DeleteParams::foreground()] {
        let server = server();
        let gone = create(&server, json!({ "name": "gone" })).await;
        let lives = create(&server, json!({ "name": "lives" })).await;
        create(&server, owned_by_both(&gone, &lives, "shared")).await;
        create(&server, owned_by(&gone, "own")).await;
        maps(&server).delete("gone", &params).await.unwrap();
        eventually("what is its own goes with it", || (names(&server) == ["lives", "shared"]).then_some(()))
            .await;
        assert_eq!(owners(&server, "shared").await, ["lives"], "{params:?}");
        maps(&server).delete("lives", &params).await.unwrap();
        eventually("the last owner takes it along", || names(&server).is_empty().then_some(())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_waits_only_for_dependents_that_say_that_they_block_it() {
    let server = server();
    let owner = create(&server, json!({ "name": "owner" })).await;
    let mut child = owned_by(&owner, "child");
    child["finalizers"] = json!(["ms2m.io/cleanup"]);
    child["ownerReferences"][0]["blockOwnerDeletion"] = json!(false);
    create(&server, child).await;
    maps(&server).delete("owner", &DeleteParams::foreground()).await.unwrap();
    eventually("it is not waited for", || (names(&server) == ["child"]).then_some(())).await;
    let child = maps(&server).get("child").await.unwrap();
    assert!(child.metadata.deletion_timestamp.is_some(), "it is to go all the same");
}

#[tokio::test(start_paused = true)]
async fn an_owner_in_another_namespace_is_none() {
    let server = server();
    let namespaces: Api<Namespace> = Api::all(client(&server));
    let shop = from(json!({ "metadata": { "name": "shop" } }));
    namespaces.create(&PostParams::default(), &shop).await.unwrap();
    let owner = create(&server, json!({ "name": "owner" })).await;
    let elsewhere: Api<ConfigMap> = Api::namespaced(client(&server), "shop");
    let stray = from(json!({ "metadata": owned_by(&owner, "stray") }));
    elsewhere.create(&PostParams::default(), &stray).await.unwrap();
    eventually("it is collected", || (names(&server) == ["owner"]).then_some(())).await;
}
