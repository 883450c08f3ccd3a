use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

use super::{
    Archive, Container, Machines, Program, Snapshot,
    machines::{Ailment, Request},
    pull::pull,
    transfer::{self, TransferProgram},
};
use crate::{
    kubelet::{ContainerSpec, Exit, RunningContainer, Runtime, RuntimeError, StartedContainer},
    plan::Pace,
};

/// What a checkpoint takes longer where it is slow.
const SLOWLY: Duration = Duration::from_secs(20);
/// How often a checkpoint that hangs looks whether it may go on.
const STUCK: Duration = Duration::from_secs(1);
/// What containerd says.
const NO_CRIU: &str =
    "rpc error: code = Unknown desc = CRIU binary not found or too old (<31600). Failed to checkpoint";

/// The container runtime of one simulated node: a container is a network host of its own.
pub struct SimRuntime {
    node: String,
    machines: Machines,
    pace: Pace,
}

type Resolved = (String, Arc<dyn Program>, Option<Archive>);

impl SimRuntime {
    /// The runtime of `node`, which takes its time as `pace` says.
    pub fn new(node: impl Into<String>, machines: Machines, pace: Pace) -> Self {
        Self { node: node.into(), machines, pace }
    }

    /// The program to start, its image, and the RAM to start it with.
    async fn resolve(&self, spec: &ContainerSpec) -> Result<Resolved, RuntimeError> {
        let image = &spec.image;
        if transfer::is_transfer(spec) {
            let program = TransferProgram { node: self.node.clone(), machines: self.machines.clone() };
            return Ok((image.clone(), Arc::new(program), None));
        }
        if let Some(program) = self.program(image)? {
            return Ok((image.clone(), program, None));
        }
        let layer = pull(image).await.map_err(|reason| refused(image, &reason))?;
        let (archive, fresh, fails) = {
            let mut state = self.machines.lock();
            let archive = state.checkpoints.get(&layer).cloned();
            let archive = archive.ok_or_else(|| refused(image, "it is no checkpoint of this cluster"))?;
            let fails = state.meets(Ailment::FailsRestores);
            (archive, !fails && state.meets(Ailment::RestoresFresh), fails)
        };
        if fails {
            return Err(RuntimeError::Failed("criu failed: Can't fork for 7: File exists".to_owned()));
        }
        let base = archive.base_image.clone();
        let program = self.program(&base)?.ok_or_else(|| refused(&base, "not found in the registry"))?;
        Ok((base, program, (!fresh).then_some(archive)))
    }

    /// A program whose image the node has.
    fn program(&self, image: &str) -> Result<Option<Arc<dyn Program>>, RuntimeError> {
        let mut state = self.machines.lock();
        if state.meets(Ailment::RefusesPulls) {
            return Err(refused(image, "the registry answers 503 Service Unavailable"));
        }
        Ok(state.programs.get(image).cloned())
    }

    fn receiver(&self, container_id: &str) -> Result<watch::Receiver<Option<Exit>>, RuntimeError> {
        let state = self.machines.lock();
        let container = state.containers.get(container_id);
        container
            .map(|container| container.exit.subscribe())
            .ok_or_else(|| RuntimeError::NotRunning(container_id.to_owned()))
    }
}

#[async_trait]
impl Runtime for SimRuntime {
    async fn start(&self, spec: ContainerSpec) -> Result<StartedContainer, RuntimeError> {
        let (base_image, program, archive) = self.resolve(&spec).await?;
        // Pulling the image and making a sandbox, and what a restore takes more.
        let restoring_ms = if archive.is_some() { self.pace.restore_ms } else { 0 };
        tokio::time::sleep(Duration::from_millis(self.pace.start_ms + restoring_ms)).await;
        let restored: Option<Snapshot> = archive.as_ref().map(|archive| archive.snapshot.clone());
        let launch = program.launch(&spec, restored);
        let (exit, _) = watch::channel(None);
        let (started, address) = oneshot::channel();
        let container_id = {
            let mut state = self.machines.lock();
            state.serial += 1;
            let container_id = format!("c{:04}-{}", state.serial, spec.pod);
            let host = format!("{}-{}", spec.pod, state.serial);
            state.containers.insert(
                container_id.clone(),
                Container {
                    host: host.clone(),
                    pod_uid: spec.pod_uid.clone(),
                    pod: spec.pod.clone(),
                    container: spec.container.clone(),
                    node: self.node.clone(),
                    attempt: spec.attempt,
                    pod_ip: String::new(),
                    base_image,
                    restored_from: archive.map(|archive| archive.serial),
                    began: turmoil::sim_elapsed().unwrap_or_default(),
                    ended: None,
                    stood_still: false,
                    memory: launch.memory,
                    exit,
                },
            );
            let container_id_ = container_id.clone();
            state.requests.push_back(Request::Run {
                container_id: container_id_,
                host,
                main: launch.main,
                started,
            });
            container_id
        };
        let ip = address.await.map_err(|_| RuntimeError::Failed("it was killed before it ran".to_owned()))?;
        let pod_ip = ip.to_string();
        if let Some(container) = self.machines.lock().containers.get_mut(&container_id) {
            container.pod_ip.clone_from(&pod_ip);
        }
        Ok(StartedContainer { container_id, pod_ip })
    }

    async fn wait(&self, container_id: &str) -> Result<Exit, RuntimeError> {
        let mut exit = self.receiver(container_id)?;
        let exit = exit.wait_for(Option::is_some).await;
        let exit = exit.ok().and_then(|exit| exit.clone());
        exit.ok_or_else(|| RuntimeError::NotRunning(container_id.to_owned()))
    }

    async fn stop(&self, container_id: &str, _grace: Duration) -> Result<(), RuntimeError> {
        {
            let mut state = self.machines.lock();
            match state.containers.get(container_id) {
                Some(container) if container.runs() => {}
                _ => return Ok(()),
            }
            state.requests.push_back(Request::Kill { container_id: container_id.to_owned() });
        }
        self.wait(container_id).await.map(drop)
    }

    async fn checkpoint(
        &self,
        container_id: &str,
        archive: &str,
        _timeout: Duration,
    ) -> Result<u64, RuntimeError> {
        if self.machines.lock().has(Ailment::LacksCriu) {
            return Err(RuntimeError::Failed(NO_CRIU.to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(self.pace.freeze_ms)).await;
        if self.machines.lock().meets(Ailment::SlowCheckpoints) {
            tokio::time::sleep(SLOWLY).await;
        }
        while self.machines.lock().meets(Ailment::HangsCheckpoints) {
            tokio::time::sleep(STUCK).await;
        }
        let taken = {
            let mut state = self.machines.lock();
            // Either has failed it where both are to.
            if state.fails_a_checkpoint() | state.meets(Ailment::FailsCheckpoints) {
                return Err(RuntimeError::Failed("criu failed: In-flight connection".to_owned()));
            }
            state.serial += 1;
            let serial = state.serial;
            let container = state.containers.get(container_id).filter(|container| container.runs());
            let container = container.ok_or_else(|| RuntimeError::NotRunning(container_id.to_owned()))?;
            Archive::of(container_id, container, serial)
        };
        tokio::time::sleep(Duration::from_millis(self.pace.write_ms)).await;
        if self.machines.lock().meets(Ailment::DiskFull) {
            return Err(RuntimeError::Failed(format!("write {archive}: no space left on device")));
        }
        let bytes = taken.content.len() as u64;
        let mut state = self.machines.lock();
        state.checkpoints.insert(taken.digest(), taken.clone());
        state.archives.insert((self.node.clone(), archive.to_owned()), taken);
        Ok(bytes)
    }

    async fn running(&self) -> Result<Vec<RunningContainer>, RuntimeError> {
        let state = self.machines.lock();
        let here =
            state.containers.iter().filter(|(_, container)| container.node == self.node && container.runs());
        Ok(here
            .map(|(container_id, container)| RunningContainer {
                container_id: container_id.clone(),
                pod_uid: container.pod_uid.clone(),
                container: container.container.clone(),
                attempt: container.attempt,
                pod_ip: container.pod_ip.clone(),
            })
            .collect())
    }
}

fn refused(image: &str, reason: &str) -> RuntimeError {
    RuntimeError::Image { image: image.to_owned(), reason: reason.to_owned() }
}
