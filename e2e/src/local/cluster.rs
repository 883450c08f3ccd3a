//! The cluster of a run: a control plane, and a kubelet for each real node.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use ms2m::kubernetes::{client, config};
use ms2m_app::io::{SocketDial, SystemClock};
use ms2m_sim::{
    kubelet::{self, Kubelet},
    network::serve_tcp,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::spawn_local};
use tokio_rustls::TlsAcceptor;

use super::{
    authority::Authority,
    control_plane::{self, ControlPlane, Identity},
    network::{HUB, Network},
    objects,
};
use crate::{
    node::{Cgroups, Node, NodeConfig},
    runtime::CriRuntime,
};

/// Names of the nodes: the source's, and the target.
pub(super) const NODES: [&str; 2] = ["node-1", "node-2"];

/// Everything that a run's own process serves.
pub(super) struct Cluster {
    /// A client of the API server.
    pub(super) client: Client,
    /// The nodes; they end with this value.
    pub(super) nodes: Vec<Node>,
    control_plane: ControlPlane,
}

/// A client of the run's API server.
pub(super) async fn client(work: &Path) -> anyhow::Result<Client> {
    let dial = Arc::new(SocketDial::system_roots().context("the machine's certificate authorities")?);
    let config = config::load(Some(&control_plane::kubeconfig(work, Identity::Administrator)), None).await?;
    Ok(client::build(config, dial, client::Timeouts::default())?)
}

/// What kind an object is of.
pub(super) fn resource_of(object: &DynamicObject) -> anyhow::Result<ApiResource> {
    let types = object.types.as_ref().context("an object has a kind")?;
    Ok(ApiResource::from_gvk(&GroupVersionKind::try_from(types)?))
}

impl Cluster {
    /// Serves the API and starts the nodes.
    pub(super) async fn up(
        work: &Path,
        cgroups: &Cgroups,
        network: &Network,
        authority: &Authority,
    ) -> anyhow::Result<Self> {
        let control_plane = async {
            let control_plane = ControlPlane::up(work, authority).await?;
            let client = client(work).await?;
            control_plane.populate(&client).await?;
            Ok((control_plane, client))
        };
        let ((control_plane, client), first, second) = tokio::try_join!(
            control_plane,
            start_node(1, work, cgroups, network, authority),
            start_node(2, work, cgroups, network, authority)
        )?;
        let tls = control_plane.kubelets_tls(authority)?;
        let cluster = Self { control_plane, client, nodes: vec![first, second] };
        for (number, node) in (1_u16..).zip(&cluster.nodes) {
            cluster.serve_kubelet(number, node, tls.clone()).await?;
        }
        Ok(cluster)
    }

    async fn serve_kubelet(&self, number: u16, node: &Node, tls: Option<TlsAcceptor>) -> anyhow::Result<()> {
        let port = 10_250 + number;
        let runtime = Arc::new(CriRuntime::new(node.cri.clone(), node.root.clone()));
        let config = kubelet::Config::new(&node.name, HUB, port);
        let kubelet = Kubelet::new(config, runtime, self.client.clone(), Arc::new(SystemClock));
        let listener = listen(port).await?;
        spawn_local(kubelet.clone().run());
        spawn_local(serve_tcp(listener, move |stream| {
            let (kubelet, tls) = (kubelet.clone(), tls.clone());
            async move {
                match tls {
                    None => kubelet::serve_connection(kubelet, stream).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => kubelet::serve_connection(kubelet, Box::new(stream)).await,
                        Err(error) => tracing::warn!(%error, "a caller of a kubelet"),
                    },
                }
            }
        }));
        Ok(())
    }

    /// Creates an object.
    pub(super) async fn create(&self, object: Value) -> anyhow::Result<()> {
        let object: DynamicObject = serde_json::from_value(object)?;
        let resource = resource_of(&object)?;
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), objects::NAMESPACE, &resource);
        let created = api.create(&PostParams::default(), &object).await;
        created.with_context(|| format!("the API server refuses the {}", resource.kind))?;
        Ok(())
    }

    async fn pod(&self, name: &str) -> anyhow::Result<Pod> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), objects::NAMESPACE);
        pods.get_opt(name).await?.with_context(|| format!("there is no pod {name}"))
    }

    /// Address of a pod; why it has none, while it has none.
    pub(super) async fn pod_ip(&self, name: &str) -> anyhow::Result<String> {
        let status = self.pod(name).await?.status.unwrap_or_default();
        let ip = status.pod_ip.filter(|ip| !ip.is_empty());
        ip.with_context(|| format!("pod {name} has no address: {:?}", status.container_statuses))
    }

    /// The runtime's id of a pod's container that runs.
    pub(super) async fn container_id(&self, pod: &str) -> anyhow::Result<String> {
        let status = self.pod(pod).await?.status.unwrap_or_default();
        let statuses = status.container_statuses.unwrap_or_default();
        let id = statuses.first().and_then(|container| container.container_id.as_deref());
        let id = id.with_context(|| format!("no container of pod {pod} runs"))?;
        Ok(id.rsplit("//").next().unwrap_or(id).to_owned())
    }

    /// UIDs of the pods, and names of the Jobs that are there.
    pub(super) async fn inventory(&self) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let everything = ListParams::default();
        let pods = Api::<Pod>::namespaced(self.client.clone(), objects::NAMESPACE).list(&everything).await?;
        let jobs = Api::<Job>::namespaced(self.client.clone(), objects::NAMESPACE).list(&everything).await?;
        let uids = pods.items.into_iter().filter_map(|pod| pod.metadata.uid).collect();
        Ok((uids, jobs.items.iter().map(ResourceExt::name_any).collect()))
    }

    /// How often migrations were read so far.
    pub(super) async fn looks_at_migrations(&self) -> anyhow::Result<usize> {
        self.control_plane.looks_at_migrations().await
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
