//! What matters of a node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};

use super::failure::is_absent;

/// What matters of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Whether its kubelet says that it is ready.
    pub ready: bool,
    /// Whether it is closed for new pods.
    pub cordoned: bool,
    /// Where its kubelet listens: host and port.
    pub kubelet: Option<(String, u16)>,
}

/// Where a kubelet listens when its node does not say.
const KUBELET_PORT: u16 = 10_250;

/// A node by its name; none when there is no such node.
pub async fn get(client: &kube::Client, name: &str) -> Result<Option<NodeFacts>, kube::Error> {
    match Api::<Node>::all(client.clone()).get(name).await {
        Ok(node) => Ok(Some(facts(&node))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All nodes with these labels, by name.
pub async fn with_labels(
    client: &kube::Client,
    labels: &BTreeMap<String, String>,
) -> Result<Vec<NodeFacts>, kube::Error> {
    let selector = labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",");
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default().labels(&selector)).await?;
    let mut nodes: Vec<NodeFacts> = nodes.items.iter().map(facts).collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(nodes)
}

fn facts(node: &Node) -> NodeFacts {
    let status = node.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let addresses = status.and_then(|status| status.addresses.as_deref()).unwrap_or_default();
    let address_of = |kind: &str| addresses.iter().find(|address| address.type_ == kind);
    let host =
        address_of("InternalIP").or_else(|| address_of("Hostname")).map(|address| address.address.clone());
    let port = status
        .and_then(|status| status.daemon_endpoints.as_ref()?.kubelet_endpoint.as_ref())
        .and_then(|endpoint| u16::try_from(endpoint.port).ok())
        .filter(|port| *port != 0);
    NodeFacts {
        name: node.metadata.name.clone().unwrap_or_default(),
        ready: conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True")),
        cordoned: node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true)),
        kubelet: host.map(|host| (host, port.unwrap_or(KUBELET_PORT))),
    }
}
