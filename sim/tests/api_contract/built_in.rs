//! What built-in kinds get and what they insist on.

use http::StatusCode;
use serde_json::{Value, json};

use crate::rig::{Rig, map, pod};

fn job(name: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "example.org/main:1"}],
        }}},
    })
}

pub(super) async fn a_pod_gets_its_defaults(rig: &Rig) {
    let created = rig.post(&rig.core("pods"), pod("p", None)).await.object();
    let spec = &created["spec"];
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("enableServiceLinks", json!(true)),
    ] {
        assert_eq!(spec[field], value, "{field}");
    }
    let container = &spec["containers"][0];
    assert_eq!(
        (&container["imagePullPolicy"], &container["terminationMessagePolicy"]),
        (&json!("IfNotPresent"), &json!("File"))
    );
    assert_eq!(created["status"]["phase"], "Pending");
}

pub(super) async fn an_image_without_a_version_is_always_pulled(rig: &Rig) {
    let mut latest = pod("p", None);
    latest["spec"]["containers"][0]["image"] = json!("example.org/main");
    let created = rig.post(&rig.core("pods"), latest).await.object();
    assert_eq!(created["spec"]["containers"][0]["imagePullPolicy"], "Always");
}

pub(super) async fn a_pod_needs_a_container(rig: &Rig) {
    let mut empty = pod("p", None);
    empty["spec"]["containers"] = json!([]);
    let refused = rig.post(&rig.core("pods"), empty).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
    assert_eq!(refused.body["details"]["causes"][0]["field"], "spec.containers");
}

pub(super) async fn containers_of_a_pod_have_different_names(rig: &Rig) {
    let mut twins = pod("p", None);
    let one = twins["spec"]["containers"][0].clone();
    twins["spec"]["containers"] = json!([one, one]);
    let refused = rig.post(&rig.core("pods"), twins).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_mount_needs_its_volume(rig: &Rig) {
    let mut odd = pod("p", None);
    odd["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "nothing", "mountPath": "/data"}]);
    let refused = rig.post(&rig.core("pods"), odd).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_secret_keeps_its_plain_texts_encoded(rig: &Rig) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"url": "amqp://b"}, "data": {"key": "dg=="},
    });
    let created = rig.post(&rig.core("secrets"), secret).await.object();
    assert_eq!(created["data"], json!({"url": "YW1xcDovL2I=", "key": "dg=="}));
    assert_eq!((created.get("stringData"), &created["type"]), (None, &json!("Opaque")));
}

pub(super) async fn a_secret_that_is_not_base64_is_a_bad_request(rig: &Rig) {
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "%%"}});
    rig.post(&rig.core("secrets"), secret).await.refused(StatusCode::BAD_REQUEST, "BadRequest");
}

pub(super) async fn a_service_gets_an_address(rig: &Rig) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]},
    });
    let created = rig.post(&rig.core("services"), service).await.object();
    assert!(created["spec"]["clusterIP"].as_str().is_some_and(|ip| ip.parse::<std::net::Ipv4Addr>().is_ok()));
    assert_eq!(created["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
    assert_eq!(
        (&created["spec"]["type"], &created["spec"]["sessionAffinity"]),
        (&json!("ClusterIP"), &json!("None"))
    );
}

pub(super) async fn a_job_gets_a_selector_of_its_own(rig: &Rig) {
    let created = rig.post(&rig.in_group("batch/v1", "jobs"), job("j")).await.object();
    let uid = &created["metadata"]["uid"];
    let labels = &created["spec"]["template"]["metadata"]["labels"];
    assert_eq!((&labels["controller-uid"], &labels["job-name"]), (uid, &json!("j")));
    let selector = &created["spec"]["selector"]["matchLabels"];
    assert!(
        selector.as_object().is_some_and(|labels| labels.values().any(|value| value == uid)),
        "{selector}"
    );
    let spec = &created["spec"];
    assert_eq!(
        (&spec["completions"], &spec["parallelism"], &spec["backoffLimit"]),
        (&json!(1), &json!(1), &json!(6))
    );
}

pub(super) async fn a_jobs_pods_may_not_always_restart(rig: &Rig) {
    let mut always = job("j");
    always["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let refused = rig.post(&rig.in_group("batch/v1", "jobs"), always).await;
    refused.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_jobs_template_is_settled(rig: &Rig) {
    let path = rig.in_group("batch/v1", "jobs");
    rig.post(&path, job("j")).await.object();
    let other = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "other"}]}}}});
    rig.strategic(&format!("{path}/j"), other).await.refused(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
}

pub(super) async fn a_nodes_status_is_its_kubelets(rig: &Rig) {
    let name = format!("{}-node", rig.namespace);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
    rig.post("/api/v1/nodes", node).await.object();
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    rig.strategic(&format!("/api/v1/nodes/{name}/status"), ready).await.object();
    let now = rig.get(&format!("/api/v1/nodes/{name}")).await.object();
    assert_eq!(now["status"]["conditions"][0]["type"], "Ready");
    rig.delete(&format!("/api/v1/nodes/{name}"), json!({})).await.object();
}

pub(super) async fn a_new_namespace_is_active(rig: &Rig) {
    let namespace = rig.get(&format!("/api/v1/namespaces/{}", rig.namespace)).await.object();
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(namespace["spec"]["finalizers"], json!(["kubernetes"]));
}

pub(super) async fn a_lease_is_a_compare_and_swap(rig: &Rig) {
    let path = rig.in_group("coordination.k8s.io/v1", "leases");
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
        "spec": {"holderIdentity": "one", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000001Z"},
    });
    let mut taken = rig.post(&path, lease).await.object();
    assert_eq!(taken["spec"]["renewTime"], "2026-01-01T00:00:00.000001Z");
    let stale = taken.clone();
    taken["spec"]["holderIdentity"] = json!("two");
    rig.put(&format!("{path}/l"), taken).await.object();
    rig.put(&format!("{path}/l"), stale).await.refused(StatusCode::CONFLICT, "Conflict");
}

pub(super) async fn an_event_is_about_an_object(rig: &Rig) {
    let about = rig.map("a", json!({})).await;
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Move", "reason": "Moved", "type": "Normal",
        "reportingController": "example.org/mover", "reportingInstance": "mover-1", "note": "it moved",
        "regarding": {
            "apiVersion": "v1", "kind": "ConfigMap", "name": "a", "namespace": rig.namespace,
            "uid": about["metadata"]["uid"],
        },
    });
    let path = rig.in_group("events.k8s.io/v1", "events");
    let created = rig.post(&path, event).await.object();
    assert_eq!((&created["note"], &created["regarding"]["name"]), (&json!("it moved"), &json!("a")));
}

pub(super) async fn a_configmap_has_no_generation(rig: &Rig) {
    let created = rig.post(&rig.core("configmaps"), map("a", json!({}))).await.object();
    assert_eq!(created["metadata"].get("generation"), None);
}

pub(super) async fn a_pod_tolerates_the_absence_of_its_node_for_five_minutes(rig: &Rig) {
    let created = rig.post(&rig.core("pods"), pod("p", None)).await.object();
    let tolerated = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
    assert_eq!(
        created["spec"]["tolerations"],
        json!([tolerated("node.kubernetes.io/not-ready"), tolerated("node.kubernetes.io/unreachable")])
    );
}

pub(super) async fn what_a_pod_says_of_its_nodes_absence_stands(rig: &Rig) {
    let own = json!([{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}]);
    let mut eternal = pod("p", None);
    eternal["spec"]["tolerations"] = own.clone();
    let created = rig.post(&rig.core("pods"), eternal).await.object();
    let tolerations = created["spec"]["tolerations"].as_array().expect("tolerations");
    assert_eq!((tolerations.len(), &tolerations[0]), (2, &own[0]));
    let mut careless = pod("q", None);
    careless["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
    let created = rig.post(&rig.core("pods"), careless).await.object();
    assert_eq!(created["spec"]["tolerations"], json!([{"operator": "Exists"}]));
}

pub(super) async fn a_new_node_takes_no_pods_yet(rig: &Rig) {
    let name = format!("{}-new", rig.namespace);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
    let created = rig.post("/api/v1/nodes", node).await.object();
    let taint = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
    assert_eq!(created["spec"]["taints"], json!([taint]));
    rig.delete(&format!("/api/v1/nodes/{name}"), json!({})).await.object();
}
