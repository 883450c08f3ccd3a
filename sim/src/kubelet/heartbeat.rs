use std::time::Duration;

use k8s_openapi::api::{coordination::v1::Lease, core::v1::Node};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{Kubelet, pod_status::time};

/// How long one round may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait after a round that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How long the others take a silent node for alive.
const LEASE_DURATION_S: i32 = 40;

/// Registers the node, and shows again and again that it lives.
pub(super) async fn run(kubelet: &Kubelet) {
    loop {
        let wait = match tokio::time::timeout(TIMEOUT, beat(kubelet)).await {
            Ok(Ok(())) => kubelet.shared.config.heartbeat,
            Ok(Err(error)) => {
                tracing::debug!(target: "kubelet", %error, "the heartbeat failed");
                RETRY
            }
            Err(_) => {
                tracing::debug!(target: "kubelet", "the heartbeat was not answered");
                RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn beat(kubelet: &Kubelet) -> kube::Result<()> {
    let config = &kubelet.shared.config;
    let nodes: Api<Node> = Api::all(kubelet.shared.client.clone());
    let params = PatchParams::apply("kubelet").force();
    match nodes.get_opt(&config.node_name).await? {
        Some(node) if is_ready(&node) => {}
        _ => {
            let node = json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": { "name": config.node_name, "labels": labels(kubelet) },
            });
            nodes.patch(&config.node_name, &params, &Patch::Apply(&node)).await?;
            let status = json!({ "apiVersion": "v1", "kind": "Node", "status": status(kubelet) });
            nodes.patch_status(&config.node_name, &params, &Patch::Apply(&status)).await?;
            kubelet.shared.returned.notify_one();
        }
    }
    let leases: Api<Lease> = Api::namespaced(kubelet.shared.client.clone(), "kube-node-lease");
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": config.node_name },
        "spec": {
            "holderIdentity": config.node_name,
            "leaseDurationSeconds": LEASE_DURATION_S,
            "renewTime": format!("{:.6}", kubelet.shared.clock.now()),
        },
    });
    leases.patch(&config.node_name, &params, &Patch::Apply(&lease)).await?;
    Ok(())
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

fn labels(kubelet: &Kubelet) -> Value {
    let config = &kubelet.shared.config;
    let mut labels = json!({
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": config.node_name,
        "kubernetes.io/os": "linux",
    });
    for (name, value) in &config.labels {
        labels[name.as_str()] = json!(value);
    }
    labels
}

fn status(kubelet: &Kubelet) -> Value {
    let config = &kubelet.shared.config;
    let now = time(kubelet.shared.clock.now());
    let resources = json!({ "cpu": "4", "memory": "16Gi", "pods": "110" });
    json!({
        "addresses": [
            { "type": "InternalIP", "address": config.address },
            { "type": "Hostname", "address": config.node_name },
        ],
        "allocatable": resources,
        "capacity": resources,
        "conditions": [{
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": config.port } },
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": config.runtime_version,
            "kernelVersion": "6.18.0",
            "kubeProxyVersion": "",
            "kubeletVersion": "v1.36.0",
            "machineID": config.node_name,
            "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux",
            "systemUUID": "",
        },
    })
}
