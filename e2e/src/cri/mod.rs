//! A client of the Container Runtime Interface, over a UNIX socket.

mod messages;

use std::{path::PathBuf, time::Duration};

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tonic::{
    Request, Status,
    client::Grpc,
    transport::{Channel, Endpoint, Uri},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

use messages::{
    CheckpointContainerRequest, ContainerRequest, ContainerStatusResponse, CreateContainerRequest,
    CreateContainerResponse, Done, PodSandboxStatusResponse, PullImageRequest, RunPodSandboxRequest,
    RunPodSandboxResponse, SandboxRequest, StatusRequest, StatusResponse, StopContainerRequest,
};
pub(crate) use messages::{
    ContainerConfig, ContainerMetadata, ContainerState, ContainerStatus, ImageSpec, KeyValue,
    LinuxContainerConfig, LinuxContainerSecurityContext, LinuxPodSandboxConfig, Mount, PodSandboxConfig,
    PodSandboxMetadata,
};

/// How long a call may take that says nothing else.
const DEADLINE: Duration = Duration::from_secs(30);

/// A runtime on one socket; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cri(Channel);

impl Cri {
    /// The runtime behind `socket`; connects with the first call.
    pub(crate) fn at(socket: PathBuf) -> Self {
        // The name is required by HTTP/2 and means nothing on a UNIX socket.
        let endpoint = Endpoint::from_static("http://containerd");
        Self(endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        })))
    }

    async fn call<Q, A>(&self, method: &'static str, request: Q, deadline: Duration) -> Result<A, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.0.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(request);
        request.set_timeout(deadline);
        let codec: ProstCodec<Q, A> = ProstCodec::default();
        Ok(grpc.unary(request, PathAndQuery::from_static(method), codec).await?.into_inner())
    }

    /// What the runtime lacks; nothing when it and its network are ready.
    pub(crate) async fn not_ready(&self) -> Result<Vec<String>, Status> {
        let answer: StatusResponse =
            self.call("/runtime.v1.RuntimeService/Status", StatusRequest {}, DEADLINE).await?;
        let conditions = answer.status.unwrap_or_default().conditions.into_iter();
        let missing = conditions.filter(|condition| !condition.status);
        Ok(missing.map(|condition| format!("{}: {}", condition.kind, condition.message)).collect())
    }

    pub(crate) async fn pull(&self, image: &str) -> Result<(), Status> {
        let request = PullImageRequest { image: Some(ImageSpec { image: image.to_owned() }) };
        let _: Done = self.call("/runtime.v1.ImageService/PullImage", request, DEADLINE * 4).await?;
        Ok(())
    }

    /// Makes a sandbox and its network; returns its id.
    pub(crate) async fn run_sandbox(&self, config: &PodSandboxConfig) -> Result<String, Status> {
        let request = RunPodSandboxRequest { config: Some(config.clone()) };
        let answer: RunPodSandboxResponse =
            self.call("/runtime.v1.RuntimeService/RunPodSandbox", request, DEADLINE).await?;
        Ok(answer.pod_sandbox_id)
    }

    /// The sandbox's address; empty when it has none.
    pub(crate) async fn address(&self, sandbox: &str) -> Result<String, Status> {
        let request = SandboxRequest { pod_sandbox_id: sandbox.to_owned() };
        let answer: PodSandboxStatusResponse =
            self.call("/runtime.v1.RuntimeService/PodSandboxStatus", request, DEADLINE).await?;
        Ok(answer.status.unwrap_or_default().network.unwrap_or_default().ip)
    }

    /// Ends everything in a sandbox, and removes it.
    pub(crate) async fn remove_sandbox(&self, sandbox: &str) -> Result<(), Status> {
        let request = SandboxRequest { pod_sandbox_id: sandbox.to_owned() };
        let _: Done =
            self.call("/runtime.v1.RuntimeService/StopPodSandbox", request.clone(), DEADLINE).await?;
        let _: Done = self.call("/runtime.v1.RuntimeService/RemovePodSandbox", request, DEADLINE).await?;
        Ok(())
    }

    /// Creates a container; one whose image is a checkpoint is restored when it starts.
    pub(crate) async fn create(
        &self,
        sandbox: &str,
        config: ContainerConfig,
        sandbox_config: &PodSandboxConfig,
    ) -> Result<String, Status> {
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox_config.clone()),
        };
        let answer: CreateContainerResponse =
            self.call("/runtime.v1.RuntimeService/CreateContainer", request, DEADLINE).await?;
        Ok(answer.container_id)
    }

    pub(crate) async fn start(&self, container: &str) -> Result<(), Status> {
        let request = ContainerRequest { container_id: container.to_owned() };
        let _: Done = self.call("/runtime.v1.RuntimeService/StartContainer", request, DEADLINE).await?;
        Ok(())
    }

    /// Asks a container to end, and kills it after `grace`.
    pub(crate) async fn stop(&self, container: &str, grace: Duration) -> Result<(), Status> {
        let request =
            StopContainerRequest { container_id: container.to_owned(), timeout: whole_seconds(grace) };
        let _: Done =
            self.call("/runtime.v1.RuntimeService/StopContainer", request, DEADLINE + grace).await?;
        Ok(())
    }

    pub(crate) async fn status(&self, container: &str) -> Result<ContainerStatus, Status> {
        let request = ContainerRequest { container_id: container.to_owned() };
        let answer: ContainerStatusResponse =
            self.call("/runtime.v1.RuntimeService/ContainerStatus", request, DEADLINE).await?;
        answer.status.ok_or_else(|| Status::not_found("the runtime sent no status"))
    }

    /// Writes a checkpoint to `location`, a path on the node.
    pub(crate) async fn checkpoint(
        &self,
        container: &str,
        location: &str,
        timeout: Duration,
    ) -> Result<(), Status> {
        let request = CheckpointContainerRequest {
            container_id: container.to_owned(),
            location: location.to_owned(),
            timeout: whole_seconds(timeout),
        };
        let _: Done =
            self.call("/runtime.v1.RuntimeService/CheckpointContainer", request, timeout + DEADLINE).await?;
        Ok(())
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
