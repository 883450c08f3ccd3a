//! Nodes that are not as they should be, and what that means to pods.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Node, Pod},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::world::{client, eventually, server};
use crate::apiserver::ApiServer;

/// How long a kubelet may be silent.
const LEASE_S: u64 = 40;

/// A kubelet registers its node, and then is silent.
async fn register(server: &ApiServer, name: &str) {
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    server
        .create(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
            "status": {
                "conditions": ready, "allocatable": { "cpu": "4", "memory": "16Gi", "pods": "110" },
            },
        }))
        .unwrap();
    let renewed = server.lock().store.now().to_string();
    server
        .create(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": name, "namespace": "kube-node-lease" },
            "spec": { "holderIdentity": name, "leaseDurationSeconds": LEASE_S, "renewTime": renewed },
        }))
        .unwrap();
    eventually("the node is taken in", || taints(server, name).is_empty().then_some(())).await;
}

/// The kubelet is back.
async fn come_back(server: &ApiServer, name: &str) {
    report(server, name, "True").await;
}

/// The kubelet says whether its node is ready.
async fn report(server: &ApiServer, name: &str, ready: &str) {
    let leases: Api<Lease> = Api::namespaced(client(server), "kube-node-lease");
    let renewed = server.lock().store.now().to_string();
    let renewal = Patch::Merge(json!({ "spec": { "renewTime": renewed } }));
    leases.patch(name, &PatchParams::default(), &renewal).await.unwrap();
    let nodes: Api<Node> = Api::all(client(server));
    let ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": ready }] } });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(ready)).await.unwrap();
}

fn taints(server: &ApiServer, node: &str) -> Vec<String> {
    let node = server.get("", "nodes", "", node).unwrap();
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    taints.iter().map(|taint| format!("{}:{}", text(&taint["key"]), text(&taint["effect"]))).collect()
}

fn pod(name: &str, node: Option<&str>, tolerations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "nodeName": node, "tolerations": tolerations, "containers": [{ "name": "c", "image": "i:1" }],
        },
    })
}

fn the_pod(server: &ApiServer, name: &str) -> Arc<Value> {
    server.get("", "pods", "default", name).unwrap()
}

fn is_going(server: &ApiServer, name: &str) -> bool {
    the_pod(server, name)["metadata"]["deletionTimestamp"].is_string()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_unreachable_until_its_kubelet_is_back() {
    let server = server();
    register(&server, "node-a").await;
    pass(LEASE_S - 5).await;
    assert_eq!(taints(&server, "node-a"), Vec::<String>::new());
    pass(10).await;
    let unreachable = "node.kubernetes.io/unreachable";
    assert_eq!(
        taints(&server, "node-a"),
        [format!("{unreachable}:NoSchedule"), format!("{unreachable}:NoExecute")]
    );
    come_back(&server, "node-a").await;
    eventually("it is well again", || taints(&server, "node-a").is_empty().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn pods_are_evicted_from_a_silent_node_when_they_tolerate_that_no_longer() {
    let server = server();
    register(&server, "node-a").await;
    let everything = json!([{ "operator": "Exists" }]);
    let soon = json!([{
        "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30,
    }]);
    for (name, tolerations) in [("usual", json!([])), ("hasty", soon), ("stays", everything)] {
        server.create(pod(name, Some("node-a"), &tolerations)).unwrap();
    }
    let going = || ["usual", "hasty", "stays"].map(|name| is_going(&server, name));
    pass(LEASE_S + 25).await;
    assert_eq!(going(), [false, false, false]);
    pass(10).await;
    assert_eq!(going(), [false, true, false]);
    pass(260).await;
    assert_eq!(going(), [false, true, false], "five minutes are the default");
    pass(10).await;
    assert_eq!(going(), [true, true, false]);
    let conditions = the_pod(&server, "usual")["status"]["conditions"].clone();
    let is_why = |condition: &Value| condition["reason"] == "DeletionByTaintManager";
    assert!(conditions.as_array().unwrap().iter().any(is_why), "{conditions}");
    pass(3_600).await;
    assert!(is_going(&server, "usual"), "nobody is there to say that it has ended");
}

#[tokio::test(start_paused = true)]
async fn pods_are_evicted_from_a_node_whose_kubelet_says_that_it_is_not_ready() {
    let server = server();
    register(&server, "node-a").await;
    let for_30_s = |taint: &str| {
        json!([{
            "key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30,
        }])
    };
    for (name, tolerations) in [("usual", for_30_s("unreachable")), ("hasty", for_30_s("not-ready"))] {
        server.create(pod(name, Some("node-a"), &tolerations)).unwrap();
    }
    report(&server, "node-a", "False").await;
    eventually("it is marked", || (!taints(&server, "node-a").is_empty()).then_some(())).await;
    let not_ready = "node.kubernetes.io/not-ready";
    let marked = [format!("{not_ready}:NoSchedule"), format!("{not_ready}:NoExecute")];
    assert_eq!(taints(&server, "node-a"), marked);
    let going = || ["usual", "hasty"].map(|name| is_going(&server, name));
    pass(25).await;
    assert_eq!(going(), [false, false]);
    report(&server, "node-a", "False").await;
    pass(10).await;
    assert_eq!(going(), [false, true]);
    assert_eq!(taints(&server, "node-a"), marked, "it has not fallen silent");

    // Now it does.
    pass(LEASE_S).await;
    let unreachable = taints(&server, "node-a");
    assert!(
        unreachable.iter().all(|taint| taint.starts_with("node.kubernetes.io/unreachable:")),
        "{unreachable:?}"
    );
    assert_eq!(unreachable.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_in_time_keeps_its_pods() {
    let server = server();
    register(&server, "node-a").await;
    server.create(pod("usual", Some("node-a"), &json!([]))).unwrap();
    pass(LEASE_S + 280).await;
    come_back(&server, "node-a").await;
    pass(30).await;
    assert!(!is_going(&server, "usual"));
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_taint_drives_away_at_once_what_does_not_tolerate_it() {
    let server = server();
    register(&server, "node-a").await;
    let tolerant = json!([{ "key": "repair", "operator": "Exists" }]);
    server.create(pod("tolerant", Some("node-a"), &tolerant)).unwrap();
    server.create(pod("usual", Some("node-a"), &json!([]))).unwrap();
    let nodes: Api<Node> = Api::all(client(&server));
    let taint = json!({ "spec": { "taints": [{ "key": "repair", "effect": "NoExecute" }] } });
    nodes.patch("node-a", &PatchParams::default(), &Patch::Merge(taint)).await.unwrap();
    eventually("it is to go", || is_going(&server, "usual").then_some(())).await;
    assert!(!is_going(&server, "tolerant"));
    assert_eq!(taints(&server, "node-a"), ["repair:NoExecute"], "it is not ours to take away");
}

fn unscheduled(server: &ApiServer, name: &str) -> Option<String> {
    let conditions = the_pod(server, name)["status"]["conditions"].clone();
    let conditions = conditions.as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|one| one["type"] == "PodScheduled" && one["status"] == "False")?;
    assert_eq!(found["reason"], "Unschedulable");
    Some(found["message"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_for_a_node_that_it_fits_on_and_says_what_each_lacks() {
    let server = server();
    for name in ["node-a", "node-b", "node-c"] {
        register(&server, name).await;
    }
    let nodes: Api<Node> = Api::all(client(&server));
    let change = async |node: &str, change: Value| {
        nodes.patch(node, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    };
    change("node-a", json!({ "spec": { "unschedulable": true } })).await;
    change("node-b", json!({ "spec": { "taints": [{ "key": "gpu", "effect": "NoSchedule" }] } })).await;
    change("node-c", json!({ "metadata": { "labels": { "zone": "2" } } })).await;
    let mut choosy = pod("choosy", None, &json!([]));
    choosy["spec"]["nodeSelector"] = json!({ "zone": "1" });
    server.create(choosy).unwrap();
    let said = eventually("it says why", || unscheduled(&server, "choosy")).await;
    assert_eq!(
        said,
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, \
         1 node(s) had untolerated taint {gpu: }, 1 node(s) were unschedulable. \
         preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    );
    change("node-b", json!({ "metadata": { "labels": { "zone": "1" } } })).await;
    let wants_gpu = "1 node(s) had untolerated taint {gpu: }";
    eventually("only the taint is in its way", || {
        unscheduled(&server, "choosy").filter(|said| said.contains(wants_gpu))
    })
    .await;
    change("node-b", json!({ "spec": { "taints": null } })).await;
    eventually("it is put there", || {
        (the_pod(&server, "choosy")["spec"]["nodeName"] == "node-b").then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_put_on_a_silent_node_but_what_names_it() {
    let server = server();
    register(&server, "node-a").await;
    pass(LEASE_S + 5).await;
    let pods: Api<Pod> = Api::default_namespaced(client(&server));
    server.create(pod("new", None, &json!([]))).unwrap();
    server.create(pod("named", Some("node-a"), &json!([]))).unwrap();
    eventually("it waits", || unscheduled(&server, "new")).await;
    assert!(pods.get("named").await.unwrap().spec.unwrap().node_name.is_some());
    come_back(&server, "node-a").await;
    eventually("it is put there", || (the_pod(&server, "new")["spec"]["nodeName"] == "node-a").then_some(()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_until_there_is_room_for_what_it_asks_for() {
    let server = server();
    register(&server, "node-a").await;
    let asking = |name: &str, cpu: &str, memory: &str| {
        let mut pod = pod(name, None, &json!([]));
        pod["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": cpu, "memory": memory } });
        pod
    };
    let is_placed = |name: &str| (the_pod(&server, name)["spec"]["nodeName"] == "node-a").then_some(());
    server.create(asking("first", "2500m", "1Gi")).unwrap();
    eventually("there is room for one", || is_placed("first")).await;
    server.create(asking("second", "2", "16Gi")).unwrap();
    let said = eventually("the second waits", || unscheduled(&server, "second")).await;
    assert_eq!(
        said,
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. \
         preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    );
    server.create(asking("giant", "5", "1Mi")).unwrap();
    let said = eventually("there never is room", || unscheduled(&server, "giant")).await;
    assert!(said.ends_with("1 Preemption is not helpful for scheduling."), "{said}");
    server.force_delete("", "pods", "default", "first");
    eventually("it is tried again", || is_placed("second")).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_node_takes_no_pod_and_one_that_is_named_by_affinity_is_taken() {
    let server = server();
    register(&server, "node-a").await;
    register(&server, "node-b").await;
    let nodes: Api<Node> = Api::all(client(&server));
    let full = json!({ "status": { "allocatable": { "pods": "0" } } });
    nodes.patch_status("node-a", &PatchParams::default(), &Patch::Merge(full)).await.unwrap();
    let mut bound = pod("bound", None, &json!([]));
    let named = json!({ "key": "metadata.name", "operator": "In", "values": ["node-a"] });
    let required = json!({ "nodeSelectorTerms": [{ "matchFields": [named] }] });
    bound["spec"]["affinity"] =
        json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } });
    server.create(bound).unwrap();
    let said = eventually("it waits", || unscheduled(&server, "bound")).await;
    let both = "1 Too many pods, 1 node(s) didn't match Pod's node affinity/selector.";
    assert!(said.contains(both), "{said}");
    server.create(pod("free", None, &json!([]))).unwrap();
    let free = || (the_pod(&server, "free")["spec"]["nodeName"] == "node-b").then_some(());
    eventually("the other one has room", free).await;
}
