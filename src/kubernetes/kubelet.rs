//! Asks a kubelet for a checkpoint: through the API server's node proxy, or directly.

use std::{sync::Arc, time::Duration};

use http::Request;
use kube::Config;

use super::{checkpoint_answer, client, nodes};
use crate::{api::reason, io::Dial, protocol::EffectFailure};

/// How much longer than the kubelet the caller waits for its word.
const GRACE: Duration = Duration::from_secs(5);
/// No container has this name: names are lower case.
const NO_CONTAINER: &str = "MS2M-PROBE";
/// How long a kubelet may take to say that it has no such container.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// `client` is used to look the node up; `timeout` is how long the kubelet may take, in whole seconds. A shorter one than
    /// [`checkpoint_timeout`](crate::protocol::checkpoint_timeout) gives would end before the kubelet does, which raises it.
    pub async fn checkpoint(
        &self,
        client: &kube::Client,
        of: &CheckpointOf<'_>,
        timeout: Duration,
    ) -> Result<String, EffectFailure> {
        match self.ask(client, of, timeout).await? {
            Ok(body) => checkpoint_answer::archive(&body),
            Err((code, said)) => Err(checkpoint_answer::refusal(self.way(), of.node, code, &said)),
        }
    }

    /// Whether the kubelet of `node` serves checkpoints and lets us ask for one, found out without taking one: it is
    /// asked about a container that `pod` cannot have.
    pub async fn probe(
        &self,
        client: &kube::Client,
        node: &str,
        namespace: &str,
        pod: &str,
    ) -> Result<(), EffectFailure> {
        let of = CheckpointOf { node, namespace, pod, container: NO_CONTAINER };
        match self.ask(client, &of, PROBE_TIMEOUT).await? {
            Err((404, said)) if said.contains(NO_CONTAINER) => Ok(()),
            Err((code, said)) => Err(checkpoint_answer::refusal(self.way(), node, code, &said)),
            Ok(body) => Err(failed(node, &format_args!("it has one of {NO_CONTAINER}: {body}"))),
        }
    }

    /// The answer, or the code and the words of a refusal.
    async fn ask(
        &self,
        client: &kube::Client,
        of: &CheckpointOf<'_>,
        timeout: Duration,
    ) -> Result<Result<String, (u16, String)>, EffectFailure> {
        let secs = timeout.as_secs();
        let path = format!("/checkpoint/{}/{}/{}?timeout={secs}", of.namespace, of.pod, of.container);
        let (mut config, path) = match &self.direct {
            None => (self.cluster.clone(), format!("/api/v1/nodes/{}/proxy{path}", of.node)),
            Some(kubelet) => (self.at_node(client, kubelet, of.node).await?, path),
        };
        // A repetition by the HTTP stack would be a second checkpoint at the same time as the first.
        config.default_retry = false;
        let timeouts = client::Timeouts::patient(timeout + GRACE);
        let patient =
            client::build(config, self.dial.clone(), timeouts).map_err(|error| failed(of.node, &error))?;
        let request = Request::post(path).body(Vec::new()).map_err(|error| failed(of.node, &error))?;
        match patient.request_text(request).await {
            Ok(body) => Ok(Ok(body)),
            Err(kube::Error::Api(status)) => Ok(Err((status.code, status.message.clone()))),
            Err(error) => Err(EffectFailure { unheard: true, ..failed(of.node, &error) }),
        }
    }

    async fn at_node(
        &self,
        client: &kube::Client,
        kubelet: &Config,
        node: &str,
    ) -> Result<Config, EffectFailure> {
        let failed = |message: String| EffectFailure {
            reason: reason::CHECKPOINT_FAILED,
            message,
            retryable: true,
            unheard: false,
        };
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

fn failed(node: &str, what: &dyn std::fmt::Display) -> EffectFailure {
    EffectFailure {
        reason: reason::CHECKPOINT_FAILED,
        message: format!("asking the kubelet of {node} for a checkpoint: {what}"),
        retryable: true,
        unheard: false,
    }
}
