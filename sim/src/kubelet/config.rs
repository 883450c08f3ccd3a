use std::{collections::BTreeMap, time::Duration};

/// What one kubelet is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Name of the node, and of its `Node` object.
    pub node_name: String,
    /// Labels of the node, besides those that every node has.
    pub labels: BTreeMap<String, String>,
    /// Address at which this kubelet is reached, as the `Node` says it.
    pub address: String,
    /// Port at which it is reached; the caller listens there and hands the connections over.
    pub port: u16,
    /// Folder on the node that checkpoint archives are written to.
    pub checkpoints_dir: String,
    /// Whether `/checkpoint` is served: the feature gate `ContainerCheckpoint`.
    pub serves_checkpoints: bool,
    /// What the node says about its container runtime: name and version.
    pub runtime_version: String,
    /// How long a container waits that ended right after a restart; each time twice as long.
    pub backoff_first: Duration,
    /// How long it waits at most; a container that ran longer than this starts over with no wait.
    pub backoff_max: Duration,
    /// How long one watch of the pods lasts, in seconds. Shorter than the client's read timeout, so that a silent
    /// watch is a dead one.
    pub watch_timeout_s: u32,
    /// How often the node's lease is renewed.
    pub heartbeat: Duration,
}

impl Config {
    /// The usual settings for a node.
    pub fn new(node_name: &str, address: &str, port: u16) -> Self {
        Self {
            node_name: node_name.to_owned(),
            labels: BTreeMap::new(),
            address: address.to_owned(),
            port,
            checkpoints_dir: "/var/lib/kubelet/checkpoints".to_owned(),
            serves_checkpoints: true,
            runtime_version: "containerd://2.1.9".to_owned(),
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
            watch_timeout_s: 10,
            heartbeat: Duration::from_secs(10),
        }
    }
}
