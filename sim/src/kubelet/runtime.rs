use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

/// What a kubelet asks of the container runtime on its node: the simulated one, or containerd over CRI.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Creates and starts a container in a sandbox of its own. An image that is a checkpoint is restored.
    async fn start(&self, spec: ContainerSpec) -> Result<StartedContainer, RuntimeError>;

    /// Resolves when the container has exited, at once if it has already.
    async fn wait(&self, container_id: &str) -> Result<Exit, RuntimeError>;

    /// Asks the container to end, kills it after `grace`, and removes it and its sandbox. Idempotent.
    async fn stop(&self, container_id: &str, grace: Duration) -> Result<(), RuntimeError>;

    /// Writes a checkpoint of the running container to `archive` on this node; the container runs on. Returns bytes.
    async fn checkpoint(
        &self,
        container_id: &str,
        archive: &str,
        timeout: Duration,
    ) -> Result<u64, RuntimeError>;

    /// The containers that run on this node, whoever started them, in any order.
    ///
    /// A kubelet that starts anew asks this first: it takes its pods' containers over and removes those of pods that
    /// are gone. A runtime whose containers never outlive their kubelet has none to tell of.
    async fn running(&self) -> Result<Vec<RunningContainer>, RuntimeError> {
        Ok(Vec::new())
    }
}

/// One container, resolved: no references into the API are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod, and the sandbox's host name.
    pub pod: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the container.
    pub container: String,
    /// How many containers of this pod and name came before this one.
    pub attempt: u32,
    /// Image reference; may be a checkpoint image.
    pub image: String,
    /// Overrides the image's entry point when not empty.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment, resolved.
    pub env: BTreeMap<String, String>,
    /// Mounted files by absolute path in the container: downward API, Secrets, config maps.
    pub files: BTreeMap<String, String>,
    /// Mounted host folders.
    pub host_paths: Vec<HostPathMount>,
    /// Where the container may leave a termination message; the kubelet reads it back from [`Exit`].
    pub termination_message_path: String,
}

/// A folder of the node, mounted into a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPathMount {
    /// Path on the node.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// A container that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedContainer {
    /// The runtime's id, unique for ever.
    pub container_id: String,
    /// Address of its sandbox.
    pub pod_ip: String,
}

/// A container that was found running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningContainer {
    /// The runtime's id.
    pub container_id: String,
    /// UID of the pod that it was started for.
    pub pod_uid: String,
    /// Name of the container.
    pub container: String,
    /// The attempt that it was started as.
    pub attempt: u32,
    /// Address of its sandbox.
    pub pod_ip: String,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; 128 + signal when it was killed.
    pub code: i32,
    /// Termination message; empty when it left none.
    pub message: String,
}

/// Why the runtime did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The image is not there, or cannot be pulled.
    #[error("image {image} cannot be pulled: {reason}")]
    Image {
        /// The reference.
        image: String,
        /// What the runtime said.
        reason: String,
    },
    /// No such container, or it does not run.
    #[error("container {0} does not run on this node")]
    NotRunning(String),
    /// Anything else that the runtime says.
    #[error("{0}")]
    Failed(String),
}
