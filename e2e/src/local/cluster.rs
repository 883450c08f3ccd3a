//! The cluster of a run: the simulation's API server on a real port, and a kubelet for each real node.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use ms2m::kubernetes::client;
use ms2m_app::io::{SocketDial, SystemClock};
use ms2m_sim::{
    apiserver::{self, ApiServer, Settings},
    kubelet::{self, Kubelet},
    network::serve_tcp,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::spawn_local};

use super::{
    authority::Authority,
    network::{HUB, Network},
    objects,
};
use crate::{
    node::{Cgroups, Node, NodeConfig},
    runtime::CriRuntime,
};

/// Names of the nodes: the source's, and the target.
pub(super) const NODES: [&str; 2] = ["node-1", "node-2"];
const API_PORT: u16 = 6443;

/// Everything that a run's own process serves.
pub(super) struct Cluster {
    /// The API server.
    pub(super) api: ApiServer,
    /// A client of it.
    pub(super) client: kube::Client,
    /// The nodes; they end with this value.
    pub(super) nodes: Vec<Node>,
}

/// The API server's URL.
pub(super) fn api_url() -> String {
    format!("http://{HUB}:{API_PORT}")
}

impl Cluster {
    /// Serves the API and starts the nodes.
    pub(super) async fn up(
        work: &Path,
        cgroups: &Cgroups,
        network: &Network,
        authority: &Authority,
    ) -> anyhow::Result<Self> {
        let dial = Arc::new(SocketDial::system_roots().context("the machine's certificate authorities")?);
        let api = ApiServer::new(Arc::new(SystemClock), dial.clone(), Settings::default());
        let listener = listen(API_PORT).await?;
        let served = api.clone();
        spawn_local(serve_tcp(listener, move |stream| apiserver::serve_connection(served.clone(), stream)));
        spawn_local(api.clone().run_controllers());
        let config = kube::Config::new(api_url().parse()?);
        let client = client::build(config, dial, client::Timeouts::default())?;
        let (first, second) = tokio::try_join!(
            start_node(1, work, cgroups, network, authority),
            start_node(2, work, cgroups, network, authority)
        )?;
        let cluster = Self { api, client, nodes: vec![first, second] };
        for (number, node) in (1_u16..).zip(&cluster.nodes) {
            cluster.serve_kubelet(number, node).await?;
        }
        Ok(cluster)
    }

    async fn serve_kubelet(&self, number: u16, node: &Node) -> anyhow::Result<()> {
        let port = 10_250 + number;
        let runtime = Arc::new(CriRuntime::new(node.cri.clone(), node.root.clone()));
        let config = kubelet::Config::new(&node.name, HUB, port);
        let kubelet = Kubelet::new(config, runtime, self.client.clone(), Arc::new(SystemClock));
        let listener = listen(port).await?;
        spawn_local(kubelet.clone().run());
        spawn_local(serve_tcp(listener, move |stream| kubelet::serve_connection(kubelet.clone(), stream)));
        Ok(())
    }

    /// Creates an object.
    pub(super) fn create(&self, object: Value) -> anyhow::Result<()> {
        self.api.create(object).map_err(|refused| anyhow::anyhow!("the API server refuses: {refused:?}"))?;
        Ok(())
    }

    /// Address of a pod; why it has none, while it has none.
    pub(super) fn pod_ip(&self, pod: &str) -> anyhow::Result<String> {
        let object = self.api.get("", "pods", objects::NAMESPACE, pod);
        let status = object.with_context(|| format!("there is no pod {pod}"))?["status"].take();
        let ip = status["podIP"].as_str().filter(|ip| !ip.is_empty()).map(str::to_owned);
        ip.with_context(|| format!("pod {pod} has no address: {}", status["containerStatuses"][0]["state"]))
    }

    /// The runtime's id of a pod's container that runs.
    pub(super) fn container_id(&self, pod: &str) -> Option<String> {
        let pod = self.api.get("", "pods", objects::NAMESPACE, pod)?;
        let id = pod["status"]["containerStatuses"][0]["containerID"].as_str()?;
        id.rsplit("//").next().map(str::to_owned)
    }

    /// Ends a container's process at once.
    pub(super) async fn kill(&self, node: &str, container_id: &str) -> anyhow::Result<()> {
        let node = self.nodes.iter().find(|known| known.name == node).context("there is no such node")?;
        node.cri.stop(container_id, Duration::ZERO).await?;
        Ok(())
    }
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let address: SocketAddr = format!("{HUB}:{port}").parse()?;
    TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address}"))
}

async fn start_node(
    number: u8,
    work: &Path,
    cgroups: &Cgroups,
    network: &Network,
    authority: &Authority,
) -> anyhow::Result<Node> {
    let config = NodeConfig {
        number,
        image: &super::enclosure::node_image(),
        work,
        ca: &authority.file,
        pause_image: &objects::pause_image(),
        cgroups,
        network,
    };
    Node::up(&config).await
}
