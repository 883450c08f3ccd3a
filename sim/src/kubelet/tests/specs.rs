use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::{World, eventually};
use crate::kubelet::{ContainerSpec, HostPathMount};

async fn started(world: &World, spec: &Value) -> ContainerSpec {
    world.create_pod("orders-0", spec);
    eventually("the container is started", || world.runtime.started().pop()).await
}

fn world_with_sources() -> World {
    let world = World::new();
    world
        .server
        .create(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "broker" },
            "stringData": { "url": "amqp://broker", "user": "ms2m" },
        }))
        .unwrap();
    world
        .server
        .create(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" },
            "data": { "rate": "10", "ca.pem": "CERT" },
        }))
        .unwrap();
    world
}

fn text_map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn environment_comes_from_values_fields_secrets_and_config_maps() {
    let world = world_with_sources();
    let spec = json!({ "containers": [{
        "name": "app", "image": "orders:1", "command": ["serve"], "args": ["--broker=$(URL)"],
        "envFrom": [{ "prefix": "S_", "configMapRef": { "name": "settings" } }],
        "env": [
            { "name": "PLAIN", "value": "1" },
            { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            { "name": "NODE", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } },
            { "name": "URL", "valueFrom": { "secretKeyRef": { "name": "broker", "key": "url" } } },
            { "name": "NONE", "valueFrom": { "secretKeyRef": { "name": "nowhere", "key": "x", "optional": true } } },
            { "name": "BOTH", "value": "$(POD) at $(NODE)" },
        ],
    }] });
    let container = started(&world, &spec).await;
    assert_eq!(
        container.env,
        text_map(&[
            ("BOTH", "orders-0 at node-a"),
            ("NODE", "node-a"),
            ("PLAIN", "1"),
            ("POD", "orders-0"),
            ("S_ca.pem", "CERT"),
            ("S_rate", "10"),
            ("URL", "amqp://broker"),
        ])
    );
    assert_eq!(
        (container.command, container.args),
        (vec!["serve".into()], vec!["--broker=amqp://broker".into()])
    );
    assert_eq!(container.termination_message_path, "/dev/termination-log");
}

#[tokio::test(start_paused = true)]
async fn files_come_from_volumes_and_the_identity_file_tells_the_pods_uid() {
    let world = world_with_sources();
    let field = |path: &str, field: &str| json!({ "path": path, "fieldRef": { "fieldPath": field } });
    let spec = json!({
        "containers": [{ "name": "app", "image": "orders:1", "volumeMounts": [
            { "name": "identity", "mountPath": "/etc/ms2m" },
            { "name": "secret", "mountPath": "/etc/broker/" },
            { "name": "all", "mountPath": "/etc/all" },
            { "name": "settings", "mountPath": "/etc/ca.pem", "subPath": "ca.pem" },
            { "name": "checkpoints", "mountPath": "/checkpoints", "readOnly": true },
            { "name": "scratch", "mountPath": "/tmp" },
        ] }],
        "volumes": [
            { "name": "identity", "downwardAPI": { "items": [field("uid", "metadata.uid")] } },
            { "name": "secret", "secret": { "secretName": "broker", "items": [{ "key": "url", "path": "conf/url" }] } },
            { "name": "all", "projected": { "sources": [
                { "secret": { "name": "broker", "items": [{ "key": "user", "path": "user" }] } },
                { "downwardAPI": { "items": [field("name", "metadata.name")] } },
                { "serviceAccountToken": { "path": "token" } },
            ] } },
            { "name": "settings", "configMap": { "name": "settings" } },
            { "name": "checkpoints", "hostPath": { "path": "/var/lib/kubelet/checkpoints" } },
            { "name": "scratch", "emptyDir": {} },
        ],
    });
    let container = started(&world, &spec).await;
    let uid = world.pod("orders-0").unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    assert_eq!(container.pod_uid, uid);
    assert_eq!(
        container.files,
        text_map(&[
            ("/etc/all/name", "orders-0"),
            ("/etc/all/token", "token-of-default-orders-0"),
            ("/etc/all/user", "ms2m"),
            ("/etc/broker/conf/url", "amqp://broker"),
            ("/etc/ca.pem", "CERT"),
            ("/etc/ms2m/uid", &uid),
        ])
    );
    let host = HostPathMount {
        host: "/var/lib/kubelet/checkpoints".to_owned(),
        container: "/checkpoints".to_owned(),
        read_only: true,
    };
    assert_eq!(container.host_paths, [host]);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_said_and_waited_for() {
    let world = World::new();
    let spec = json!({ "containers": [{ "name": "app", "image": "orders:1", "env": [
        { "name": "URL", "valueFrom": { "secretKeyRef": { "name": "broker", "key": "url" } } },
    ] }] });
    world.create_pod("orders-0", &spec);
    let waiting = |status: &Value| status["containerStatuses"][0]["state"]["waiting"].clone();
    let pod = world
        .until("orders-0", "it waits", |status| waiting(status)["reason"] == "CreateContainerConfigError")
        .await;
    assert_eq!(waiting(&pod["status"])["message"], "secret \"broker\" not found");
    assert_eq!(pod["status"]["phase"], "Pending");
    world
        .server
        .create(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "broker" }, "stringData": { "url": "u" },
        }))
        .unwrap();
    world.until_running("orders-0").await;
}

#[tokio::test(start_paused = true)]
async fn what_this_kubelet_does_not_do_is_refused_with_its_name() {
    for (spec, what) in [
        (json!({ "initContainers": [{ "name": "init", "image": "i" }] }), "an init container"),
        (
            json!({
                "containers": [{ "name": "app", "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }],
                "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }],
            }),
            "the kind of volume \"data\"",
        ),
    ] {
        let world = World::new();
        world.create_pod("orders-0", &spec);
        let expected = format!("{what} is not supported by this kubelet");
        world
            .until("orders-0", "it is refused", |status| {
                status["containerStatuses"][0]["state"]["waiting"]["message"] == json!(expected)
            })
            .await;
        assert_eq!(world.runtime.started(), []);
    }
}
