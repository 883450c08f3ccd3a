//! The kubelet's container runtime on a real node: containerd, over CRI.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use ms2m_sim::kubelet::{ContainerSpec, Exit, Runtime, RuntimeError, StartedContainer};
use tonic::{Code, Status};

use crate::cri::{
    ContainerConfig, ContainerMetadata, ContainerState, Cri, ImageSpec, KeyValue, LinuxContainerConfig,
    LinuxContainerSecurityContext, LinuxPodSandboxConfig, Mount, PodSandboxConfig, PodSandboxMetadata,
};

/// How often a container is asked whether it has ended, as a kubelet without event support does (at its pace, 1 s).
const RELIST: Duration = Duration::from_millis(50);

/// One node's containerd.
#[derive(Clone)]
pub(crate) struct CriRuntime {
    cri: Cri,
    /// The node's root, as seen from here.
    root: PathBuf,
    started: Arc<Mutex<BTreeMap<String, Started>>>,
}

#[derive(Clone)]
struct Started {
    sandbox: String,
    /// Where the termination message ends up, as seen from here.
    message: PathBuf,
}

impl CriRuntime {
    /// The runtime of the node whose root is `root`.
    pub(crate) fn new(cri: Cri, root: PathBuf) -> Self {
        Self { cri, root, started: Arc::default() }
    }

    fn started(&self) -> MutexGuard<'_, BTreeMap<String, Started>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A path on the node, as seen from here.
    fn here(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Writes the files of a container on to the node, each mounted where the container expects it.
    fn mounts(&self, spec: &ContainerSpec) -> io::Result<Vec<Mount>> {
        let folder = format!("/var/lib/kubelet/pods/{}/{}-{}", spec.pod_uid, spec.container, spec.attempt);
        fs::create_dir_all(self.here(&folder))?;
        let message = (spec.termination_message_path.clone(), String::new());
        let files = spec.files.iter().map(|(path, text)| (path.clone(), text.clone())).chain([message]);
        let mut mounts = Vec::new();
        for (index, (container_path, text)) in files.enumerate() {
            let host_path = format!("{folder}/{index}");
            fs::write(self.here(&host_path), text)?;
            let readonly = container_path != spec.termination_message_path;
            mounts.push(Mount { container_path, host_path, readonly });
        }
        for path in &spec.host_paths {
            fs::create_dir_all(self.here(&path.host))?;
            mounts.push(Mount {
                container_path: path.container.clone(),
                host_path: path.host.clone(),
                readonly: path.read_only,
            });
        }
        Ok(mounts)
    }

    async fn start_in(
        &self,
        sandbox: &str,
        sandbox_config: &PodSandboxConfig,
        config: ContainerConfig,
    ) -> Result<StartedContainer, RuntimeError> {
        let container_id = self.cri.create(sandbox, config, sandbox_config).await.map_err(failed)?;
        self.cri.start(&container_id).await.map_err(failed)?;
        let pod_ip = self.cri.address(sandbox).await.map_err(failed)?;
        Ok(StartedContainer { container_id, pod_ip })
    }
}

#[async_trait]
impl Runtime for CriRuntime {
    async fn start(&self, spec: ContainerSpec) -> Result<StartedContainer, RuntimeError> {
        let mounts = self.mounts(&spec).map_err(|error| RuntimeError::Failed(error.to_string()))?;
        let message = mounts.iter().find(|mount| mount.container_path == spec.termination_message_path);
        let message = message.map(|mount| self.here(&mount.host_path)).unwrap_or_default();
        self.cri.pull(&spec.image).await.map_err(|status| RuntimeError::Image {
            image: spec.image.clone(),
            reason: status.message().to_owned(),
        })?;
        let sandbox_config = sandbox_of(&spec);
        fs::create_dir_all(self.here(&sandbox_config.log_directory))
            .map_err(|error| RuntimeError::Failed(error.to_string()))?;
        let sandbox = self.cri.run_sandbox(&sandbox_config).await.map_err(failed)?;
        match self.start_in(&sandbox, &sandbox_config, container_of(&spec, mounts)).await {
            Ok(container) => {
                let started = Started { sandbox, message };
                self.started().insert(container.container_id.clone(), started);
                Ok(container)
            }
            Err(error) => {
                if let Err(status) = self.cri.remove_sandbox(&sandbox).await {
                    tracing::warn!(%status, "a sandbox is left over");
                }
                Err(error)
            }
        }
    }

    async fn wait(&self, container_id: &str) -> Result<Exit, RuntimeError> {
        let started = self.started().get(container_id).cloned();
        let started = started.ok_or_else(|| RuntimeError::NotRunning(container_id.to_owned()))?;
        loop {
            let status = match self.cri.status(container_id).await {
                // It was removed meanwhile.
                Err(status) if status.code() == Code::NotFound => {
                    return Err(RuntimeError::NotRunning(container_id.to_owned()));
                }
                other => other.map_err(failed)?,
            };
            if status.state == ContainerState::Exited as i32 {
                let left = fs::read_to_string(&started.message).unwrap_or_default();
                let message = if left.is_empty() { status.message } else { left };
                return Ok(Exit { code: status.exit_code, message });
            }
            tokio::time::sleep(RELIST).await;
        }
    }

    async fn stop(&self, container_id: &str, grace: Duration) -> Result<(), RuntimeError> {
        let Some(started) = self.started().get(container_id).cloned() else { return Ok(()) };
        let gone = |done: Result<(), Status>| match done {
            Err(status) if status.code() == Code::NotFound => Ok(()),
            other => other.map_err(failed),
        };
        gone(self.cri.stop(container_id, grace).await)?;
        gone(self.cri.remove_sandbox(&started.sandbox).await)?;
        self.started().remove(container_id);
        Ok(())
    }

    async fn checkpoint(
        &self,
        container_id: &str,
        archive: &str,
        timeout: Duration,
    ) -> Result<u64, RuntimeError> {
        let file = self.here(archive);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| RuntimeError::Failed(error.to_string()))?;
        }
        self.cri.checkpoint(container_id, archive, timeout).await.map_err(failed)?;
        size(&file).map_err(|error| RuntimeError::Failed(format!("{archive}: {error}")))
    }
}

fn size(file: &Path) -> io::Result<u64> {
    Ok(fs::metadata(file)?.len())
}

#[allow(clippy::needless_pass_by_value, reason = "it is used as a function of the error")]
fn failed(status: Status) -> RuntimeError {
    RuntimeError::Failed(status.message().to_owned())
}

fn sandbox_of(spec: &ContainerSpec) -> PodSandboxConfig {
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: spec.pod.clone(),
            uid: spec.pod_uid.clone(),
            namespace: spec.namespace.clone(),
            attempt: spec.attempt,
        }),
        hostname: spec.pod.clone(),
        log_directory: format!("/var/log/pods/{}_{}_{}", spec.namespace, spec.pod, spec.pod_uid),
        labels: labels_of(spec),
        linux: Some(LinuxPodSandboxConfig::default()),
    }
}

fn container_of(spec: &ContainerSpec, mounts: Vec<Mount>) -> ContainerConfig {
    ContainerConfig {
        metadata: Some(ContainerMetadata { name: spec.container.clone(), attempt: spec.attempt }),
        image: Some(ImageSpec { image: spec.image.clone() }),
        command: spec.command.clone(),
        args: spec.args.clone(),
        envs: spec
            .env
            .iter()
            .map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() })
            .collect(),
        mounts,
        labels: labels_of(spec),
        log_path: format!("{}-{}.log", spec.container, spec.attempt),
        linux: Some(LinuxContainerConfig {
            security_context: Some(LinuxContainerSecurityContext { no_new_privs: true }),
        }),
    }
}

fn labels_of(spec: &ContainerSpec) -> HashMap<String, String> {
    let label = |name: &str, value: &str| (format!("io.kubernetes.{name}"), value.to_owned());
    HashMap::from([
        label("pod.namespace", &spec.namespace),
        label("pod.name", &spec.pod),
        label("pod.uid", &spec.pod_uid),
        label("container.name", &spec.container),
    ])
}
