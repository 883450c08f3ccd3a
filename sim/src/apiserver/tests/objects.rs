use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Node, Pod, Secret, Service},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::world::{client, server, status};
use crate::apiserver::{Fault, FaultEffect, RequestMatch};

pub(super) fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(super) fn pod(name: &str) -> Pod {
    from(json!({
        "metadata": { "name": name },
        "spec": { "containers": [{ "name": "app", "image": "orders:1" }] },
    }))
}

fn migrations(client: kube::Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("migration.ms2m.io", "v1alpha1", "StatefulMigration");
    Api::namespaced_with(client, "default", &ApiResource::from_gvk_with_plural(&kind, "statefulmigrations"))
}

fn migration(source_pod: &str) -> DynamicObject {
    from(json!({
        "apiVersion": "migration.ms2m.io/v1alpha1",
        "kind": "StatefulMigration",
        "metadata": { "name": "move" },
        "spec": {
            "sourcePod": source_pod,
            "target": { "nodeName": "node-b" },
            "broker": {
                "kind": "RabbitMQ", "queue": "orders",
                "urlSecret": { "name": "broker", "key": "url" },
                "managementUrlSecret": { "name": "broker", "key": "management" },
            },
            "transfer": { "repository": "registry/checkpoints" },
        },
    }))
}

#[tokio::test(start_paused = true)]
async fn a_created_object_is_stamped_and_found_by_get_and_list() {
    let server = server();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let created = maps
        .create(
            &PostParams::default(),
            &from(json!({ "metadata": { "name": "settings" }, "data": { "a": "1" } })),
        )
        .await
        .unwrap();
    assert_eq!(created.namespace().as_deref(), Some("default"));
    assert_eq!(created.uid().unwrap().len(), 36);
    assert!(created.creation_timestamp().is_some());
    let version: u64 = created.resource_version().unwrap().parse().unwrap();
    assert_eq!(version, server.resource_version());

    assert_eq!(maps.get("settings").await.unwrap(), created);
    let listed = maps.list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items, [created]);
    assert_eq!(listed.metadata.resource_version, Some(version.to_string()));
}

#[tokio::test(start_paused = true)]
async fn creating_twice_is_already_exists_and_getting_what_is_not_there_is_not_found() {
    let pods: Api<Pod> = Api::default_namespaced(client(&server()));
    pods.create(&PostParams::default(), &pod("orders-0")).await.unwrap();
    let twice = pods.create(&PostParams::default(), &pod("orders-0")).await.unwrap_err();
    assert_eq!((status(&twice).code, status(&twice).reason.as_str()), (409, "AlreadyExists"));
    let missing = pods.get("orders-1").await.unwrap_err();
    assert_eq!((status(&missing).code, status(&missing).reason.as_str()), (404, "NotFound"));
    assert_eq!(status(&missing).message, "pods \"orders-1\" not found");
    assert_eq!(pods.get_opt("orders-1").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_generated_name_starts_with_its_prefix_and_never_repeats() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let template: ConfigMap = from(json!({ "metadata": { "generateName": "run-" } }));
    let one = maps.create(&PostParams::default(), &template).await.unwrap();
    let other = maps.create(&PostParams::default(), &template).await.unwrap();
    assert!(one.name_any().starts_with("run-") && one.name_any().len() == 9, "{}", one.name_any());
    assert_ne!(one.name_any(), other.name_any());
}

#[tokio::test(start_paused = true)]
async fn an_update_with_a_stale_version_conflicts_and_one_with_the_present_version_does_not() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let first: ConfigMap = from(json!({ "metadata": { "name": "settings" }, "data": { "a": "1" } }));
    let mut first = maps.create(&PostParams::default(), &first).await.unwrap();
    first.data.as_mut().unwrap().insert("a".into(), "2".into());
    let second = maps.replace("settings", &PostParams::default(), &first).await.unwrap();
    assert_ne!(second.resource_version(), first.resource_version());
    let stale = maps.replace("settings", &PostParams::default(), &first).await.unwrap_err();
    assert_eq!((status(&stale).code, status(&stale).reason.as_str()), (409, "Conflict"));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_keeps_the_version() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let first: ConfigMap = from(json!({ "metadata": { "name": "settings" }, "data": { "a": "1" } }));
    let first = maps.create(&PostParams::default(), &first).await.unwrap();
    let again = maps.replace("settings", &PostParams::default(), &first).await.unwrap();
    let patched =
        maps.patch("settings", &PatchParams::default(), &Patch::Merge(json!({ "data": { "a": "1" } }))).await;
    assert_eq!(again, first);
    assert_eq!(patched.unwrap(), first);
}

#[tokio::test(start_paused = true)]
async fn status_is_written_through_its_subresource_only_and_does_not_count_as_a_generation() {
    let migrations = migrations(client(&server()));
    let mut object = migration("orders-0");
    object.data["status"] = json!({ "phase": "Completed" });
    let created = migrations.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(created.data.get("status"), None, "a new object has no status");
    assert_eq!(created.metadata.generation, Some(1));

    let patch = Patch::Merge(json!({ "spec": { "sourcePod": "other" }, "status": { "phase": "Pending" } }));
    let status = migrations.patch_status("move", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(status.data["spec"], created.data["spec"], "the status endpoint leaves the spec");
    assert_eq!(status.data["status"]["phase"], "Pending");
    assert_eq!(status.metadata.generation, Some(1));

    let patch = Patch::Merge(json!({ "spec": { "sourcePod": "other" }, "status": { "phase": "Failed" } }));
    let main = migrations.patch("move", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(main.data["spec"]["sourcePod"], "other");
    assert_eq!(main.data["status"]["phase"], "Pending", "the object's endpoint leaves the status");
    assert_eq!(main.metadata.generation, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_status_update_is_a_compare_and_swap_when_it_names_a_version() {
    let server = server();
    let migrations = migrations(client(&server));
    let created = migrations.create(&PostParams::default(), &migration("a")).await.unwrap();
    let patch = |phase: &str| {
        Patch::Merge(json!({
            "metadata": { "resourceVersion": created.resource_version() },
            "status": { "phase": phase },
        }))
    };
    migrations.patch_status("move", &PatchParams::default(), &patch("Pending")).await.unwrap();
    let lost = migrations.patch_status("move", &PatchParams::default(), &patch("Failed")).await.unwrap_err();
    assert_eq!((status(&lost).code, status(&lost).reason.as_str()), (409, "Conflict"));

    let mut replacement = created.clone();
    replacement.data["status"] = json!({ "phase": "Failed" });
    let replace = async || migrations.replace_status("move", &PostParams::default(), &replacement).await;
    assert_eq!(status(&replace().await.unwrap_err()).code, 409);
    assert_eq!(server.encounters().conflicts, 2);

    let on = RequestMatch::default().writes().of("statefulmigrations").subresource("status");
    let effect = FaultEffect::Refuse { code: 409, retry_after_s: None };
    server.inject(Fault { on, skip: 0, times: 1, effect });
    assert_eq!(status(&replace().await.unwrap_err()).code, 409);
    assert_eq!(server.encounters().conflicts, 2, "that one is no conflict, but a fault that says so");
}

#[tokio::test(start_paused = true)]
async fn lists_are_selected_by_labels_and_fields_across_namespaces_and_come_in_pages() {
    let server = server();
    let client = client(&server);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .create(&PostParams::default(), &from(json!({ "metadata": { "name": "shop" } })))
        .await
        .unwrap();
    for (namespace, name, node) in [
        ("default", "a", "node-a"),
        ("default", "b", "node-b"),
        ("shop", "a", "node-a"),
        ("shop", "c", "node-a"),
    ] {
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let mut pod = pod(name);
        pod.spec.as_mut().unwrap().node_name = Some(node.to_owned());
        pod.labels_mut().insert("app".to_owned(), name.to_owned());
        pods.create(&PostParams::default(), &pod).await.unwrap();
    }
    let all: Api<Pod> = Api::all(client);
    let names = |list: kube::core::ObjectList<Pod>| -> Vec<String> {
        list.items.iter().map(|pod| format!("{}/{}", pod.namespace().unwrap(), pod.name_any())).collect()
    };
    let on_a =
        all.list(&ListParams::default().fields("spec.nodeName=node-a").labels("app!=c")).await.unwrap();
    assert_eq!(names(on_a), ["default/a", "shop/a"]);

    let first = all.list(&ListParams::default().limit(3)).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    assert_eq!(names(first), ["default/a", "default/b", "shop/a"]);
    let rest = all.list(&ListParams::default().limit(3).continue_token(&token)).await.unwrap();
    assert_eq!(rest.metadata.continue_, None);
    assert_eq!(names(rest), ["shop/c"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_decode_or_breaks_a_rule_is_refused_with_a_reason() {
    let server = server();
    let client = client(&server);
    let send = async |path: &str, body: Value| {
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(&body).unwrap())
            .unwrap();
        client.request::<Value>(request).await.unwrap_err()
    };
    let pods = "/api/v1/namespaces/default/pods";
    for (path, body, code) in [
        (pods, json!({ "metadata": { "name": "a" }, "spec": "no" }), 400),
        (pods, json!({ "metadata": "no" }), 400),
        (pods, json!([]), 400),
        (pods, json!({ "kind": "Job", "metadata": { "name": "a" } }), 400),
        (pods, json!({ "metadata": { "name": "Not_A_Name" }, "spec": { "containers": [] } }), 422),
        (pods, json!({ "metadata": {}, "spec": { "containers": [] } }), 422),
        (
            "/api/v1/namespaces/nowhere/pods",
            json!({ "metadata": { "name": "a" }, "spec": { "containers": [] } }),
            404,
        ),
        ("/api/v1/namespaces/default/unicorns", json!({}), 404),
        ("/api/v1/pods", json!({ "metadata": { "name": "a" } }), 405),
    ] {
        let refused = send(path, body.clone()).await;
        assert_eq!(status(&refused).code, code, "{path} {body}: {refused}");
        assert!(!status(&refused).message.is_empty() && !status(&refused).reason.is_empty());
    }
    assert_eq!(server.list("", "pods", "").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_running_pod_keeps_its_spec_apart_from_the_image() {
    let pods: Api<Pod> = Api::default_namespaced(client(&server()));
    pods.create(&PostParams::default(), &pod("orders-0")).await.unwrap();
    let patch = |spec: Value| Patch::Strategic(json!({ "spec": spec }));
    let image = patch(json!({ "containers": [{ "name": "app", "image": "orders:2" }] }));
    let changed = pods.patch("orders-0", &PatchParams::default(), &image).await.unwrap();
    assert_eq!(changed.spec.unwrap().containers[0].image.as_deref(), Some("orders:2"));
    let refused = pods.patch("orders-0", &PatchParams::default(), &patch(json!({ "hostname": "x" }))).await;
    assert_eq!(status(&refused.unwrap_err()).code, 422);
}

#[tokio::test(start_paused = true)]
async fn a_pod_gets_the_defaults_and_the_token_volume_that_a_cluster_gives_it() {
    let pods: Api<Pod> = Api::default_namespaced(client(&server()));
    let spec = pods.create(&PostParams::default(), &pod("orders-0")).await.unwrap().spec.unwrap();
    assert_eq!(spec.restart_policy.as_deref(), Some("Always"));
    assert_eq!(spec.termination_grace_period_seconds, Some(30));
    let mounts = spec.containers[0].volume_mounts.clone().unwrap();
    assert_eq!(mounts[0].mount_path, "/var/run/secrets/kubernetes.io/serviceaccount");
    assert_eq!(mounts[0].name, spec.volumes.unwrap()[0].name);

    let mut plain = pod("orders-1");
    plain.spec.as_mut().unwrap().automount_service_account_token = Some(false);
    let spec = pods.create(&PostParams::default(), &plain).await.unwrap().spec.unwrap();
    assert_eq!((spec.volumes, spec.containers[0].volume_mounts.clone()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn secrets_and_services_are_completed_like_in_a_cluster() {
    let client = client(&server());
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let secret = from(json!({ "metadata": { "name": "broker" }, "stringData": { "url": "amqp://b" } }));
    let secret = secrets.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(secret.data.unwrap()["url"].0, b"amqp://b");
    assert_eq!(secret.string_data, None);

    let services: Api<Service> = Api::default_namespaced(client);
    let service = from(json!({ "metadata": { "name": "orders" }, "spec": { "ports": [{ "port": 80 }] } }));
    let spec = services.create(&PostParams::default(), &service).await.unwrap().spec.unwrap();
    assert!(spec.cluster_ip.unwrap().starts_with("10.96."));
    assert_eq!(spec.ports.unwrap()[0].protocol.as_deref(), Some("TCP"));
}

#[tokio::test(start_paused = true)]
async fn a_custom_resource_definition_brings_its_kind_with_defaults_and_checks() {
    let server = server();
    let client = client(&server);
    let definition: CustomResourceDefinition = from(json!({
        "metadata": { "name": "widgets.example.org" },
        "spec": {
            "group": "example.org",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget" },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": {
                    "type": "object",
                    "required": ["size"],
                    "properties": {
                        "size": { "type": "integer", "minimum": 1 },
                        "colour": { "type": "string", "enum": ["red", "blue"], "default": "red" },
                    },
                } } } },
            }],
        },
    }));
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let applied = definitions
        .patch("widgets.example.org", &PatchParams::apply("install"), &Patch::Apply(&definition))
        .await
        .unwrap();
    let conditions = applied.status.unwrap().conditions.unwrap();
    assert!(conditions.iter().any(|one| one.type_ == "Established" && one.status == "True"));

    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("example.org", "v1", "Widget"));
    let widgets: Api<DynamicObject> = Api::default_namespaced_with(client, &kind);
    let widget = |spec: Value| {
        from::<DynamicObject>(json!({
            "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "w" }, "spec": spec,
        }))
    };
    for bad in
        [json!({}), json!({ "size": 0 }), json!({ "size": 1, "colour": "green" }), json!({ "size": "1" })]
    {
        let refused = widgets.create(&PostParams::default(), &widget(bad.clone())).await.unwrap_err();
        assert_eq!((status(&refused).code, status(&refused).reason.as_str()), (422, "Invalid"), "{bad}");
    }
    let good = widget(json!({ "size": 2, "unknown": true }));
    let created = widgets.create(&PostParams::default(), &good).await.unwrap();
    assert_eq!(created.data["spec"], json!({ "size": 2, "colour": "red" }));
}

#[tokio::test(start_paused = true)]
async fn discovery_names_the_server_its_groups_and_their_resources() {
    let client = client(&server());
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    let groups = client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|group| group.name == "migration.ms2m.io"));
    let resources = client.list_api_group_resources("batch/v1").await.unwrap();
    assert_eq!(resources.resources[0].kind, "Job");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answers_as_if_and_writes_nothing() {
    let server = server();
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    let before = server.resource_version();
    let params = PostParams { dry_run: true, ..PostParams::default() };
    assert!(pods.create(&params, &pod("orders-0")).await.unwrap().uid().is_some());
    assert_eq!(server.resource_version(), before);
    assert_eq!(pods.get_opt("orders-0").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_fixture_keeps_the_status_that_it_comes_with() {
    let server = server();
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-a" },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "orders-0", "namespace": "default" },
        "spec": { "containers": [{ "name": "app" }] },
        "status": { "phase": "Running" },
    });
    server.create(node).unwrap();
    server.create(pod.clone()).unwrap();
    let nodes: Api<Node> = Api::all(client(&server));
    assert_eq!(nodes.get("node-a").await.unwrap().status.unwrap().conditions.unwrap()[0].status, "True");
    assert_eq!(server.get("", "pods", "default", "orders-0").unwrap()["status"]["phase"], "Running");
    assert_eq!(server.create(pod).unwrap_err().code, 409);
}
