//! Asks a kubelet for a checkpoint: through the API server's node proxy, or directly.

use std::{sync::Arc, time::Duration};

use http::Request;
use kube::Config;

use super::{checkpoint_answer, client, nodes};
use crate::{api::reason, io::Dial, protocol::EffectFailure};

/// A kubelet raises anything below this by itself.
const TIMEOUT_SECS_MIN: u64 = 120;
/// How much longer than the kubelet the caller waits for its word.
const GRACE: Duration = Duration::from_secs(5);

/// On which way the kubelet is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `POST /api/v1/nodes/{node}/proxy/checkpoint/…` at the API server.
    Proxy,
    /// `POST https://{node}:10250/checkpoint/…`.
    Direct,
}

/// Asks kubelets for checkpoints.
#[derive(Clone)]
pub struct Kubelets {
    dial: Arc<dyn Dial>,
    cluster: Config,
    /// Where and as whom kubelets are asked directly; the host and port of its URL are each node's own.
    direct: Option<Config>,
}

/// Which container is checkpointed.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointOf<'a> {
    /// Node of the pod.
    pub node: &'a str,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Name of the pod.
    pub pod: &'a str,
    /// Name of the container.
    pub container: &'a str,
}

impl Kubelets {
    /// Through the API server that `cluster` describes.
    pub fn by_proxy(cluster: Config, dial: Arc<dyn Dial>) -> Self {
        Self { dial, cluster, direct: None }
    }

    /// Directly: scheme, credentials and trust come from `kubelet`, the address from the node object.
    pub fn directly(cluster: Config, kubelet: Config, dial: Arc<dyn Dial>) -> Self {
        Self { dial, cluster, direct: Some(kubelet) }
    }

    /// On which way they are asked.
    pub fn way(&self) -> Way {
        if self.direct.is_some() { Way::Direct } else { Way::Proxy }
    }

    /// Has the checkpoint written; returns the path of the archive on the node.
    ///
    /// `client` is used to look the node up; `timeout` is how long the kubelet may take.
    pub async fn checkpoint(
        &self,
        client: &kube::Client,
        of: &CheckpointOf<'_>,
        timeout: Duration,
    ) -> Result<String, EffectFailure> {
        let secs = timeout.as_secs().max(TIMEOUT_SECS_MIN);
        let path = format!("/checkpoint/{}/{}/{}?timeout={secs}", of.namespace, of.pod, of.container);
        let (mut config, path) = match &self.direct {
            None => (self.cluster.clone(), format!("/api/v1/nodes/{}/proxy{path}", of.node)),
            Some(kubelet) => (self.at_node(client, kubelet, of.node).await?, path),
        };
        let failed = |what: &dyn std::fmt::Display| EffectFailure {
            reason: reason::CHECKPOINT_FAILED,
            message: format!("asking the kubelet of {} for a checkpoint: {what}", of.node),
            retryable: true,
        };
        // A repetition by the HTTP stack would be a second checkpoint at the same time as the first.
        config.default_retry = false;
        let timeouts = client::Timeouts::patient(Duration::from_secs(secs) + GRACE);
        let patient = client::build(config, self.dial.clone(), timeouts).map_err(|error| failed(&error))?;
        let request = Request::post(path).body(Vec::new()).map_err(|error| failed(&error))?;
        match patient.request_text(request).await {
            Ok(body) => checkpoint_answer::archive(&body),
            Err(kube::Error::Api(status)) => {
                Err(checkpoint_answer::refusal(self.way(), of.node, status.code, &status.message))
            }
            Err(error) => Err(failed(&error)),
        }
    }

    async fn at_node(
        &self,
        client: &kube::Client,
        kubelet: &Config,
        node: &str,
    ) -> Result<Config, EffectFailure> {
        let failed =
            |message: String| EffectFailure { reason: reason::CHECKPOINT_FAILED, message, retryable: true };
        let facts = nodes::get(client, node)
            .await
            .map_err(|error| failed(format!("looking node {node} up: {error}")))?;
        let Some((host, port)) = facts.and_then(|facts| facts.kubelet) else {
            return Err(failed(format!("node {node} does not say where its kubelet listens")));
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let scheme = kubelet.cluster_url.scheme_str().unwrap_or("https");
        let mut config = kubelet.clone();
        config.cluster_url = format!("{scheme}://{host}:{port}")
            .parse()
            .map_err(|error| failed(format!("node {node} has a strange address: {error}")))?;
        Ok(config)
    }
}
