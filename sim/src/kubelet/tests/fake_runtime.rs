use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::kubelet::{ContainerSpec, Exit, RunningContainer, Runtime, RuntimeError, StartedContainer};

/// Containers that do what a test says.
#[derive(Default)]
pub(super) struct FakeRuntime {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    containers: BTreeMap<String, FakeContainer>,
    started: Vec<ContainerSpec>,
    stops: Vec<(String, Duration)>,
    refusals: VecDeque<RuntimeError>,
    archives: Vec<(String, String, Duration)>,
    checkpoint_takes: Duration,
}

struct FakeContainer {
    spec: ContainerSpec,
    exit: Option<Exit>,
    ip: String,
    ignores_stop_for: Duration,
}

impl FakeRuntime {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(super) fn started(&self) -> Vec<ContainerSpec> {
        self.state.lock().unwrap().started.clone()
    }

    /// Running containers as `pod/container#attempt`.
    pub(super) fn running_now(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let running = state.containers.values().filter(|one| one.exit.is_none());
        running.map(|one| format!("{}/{}#{}", one.spec.pod, one.spec.container, one.spec.attempt)).collect()
    }

    pub(super) fn known(&self) -> usize {
        self.state.lock().unwrap().containers.len()
    }

    pub(super) fn stops(&self) -> Vec<(String, Duration)> {
        self.state.lock().unwrap().stops.clone()
    }

    pub(super) fn archives(&self) -> Vec<(String, String, Duration)> {
        self.state.lock().unwrap().archives.clone()
    }

    /// Lets the running container of a pod end.
    pub(super) fn exit(&self, pod: &str, code: i32, message: &str) {
        let mut state = self.state.lock().unwrap();
        let mut all = state.containers.values_mut();
        let one = all.find(|one| one.spec.pod == pod && one.exit.is_none()).expect("it runs");
        one.exit = Some(Exit { code, message: message.to_owned() });
        drop(state);
        self.changed.notify_waiters();
    }

    /// All containers are gone without a trace, as after a power failure.
    pub(super) fn lose_everything(&self) {
        self.state.lock().unwrap().containers.clear();
        self.changed.notify_waiters();
    }

    pub(super) fn refuse_next_start(&self, error: RuntimeError) {
        self.state.lock().unwrap().refusals.push_back(error);
    }

    pub(super) fn checkpoints_take(&self, time: Duration) {
        self.state.lock().unwrap().checkpoint_takes = time;
    }

    pub(super) fn ignore_stop_for(&self, time: Duration) {
        for one in self.state.lock().unwrap().containers.values_mut() {
            one.ignores_stop_for = time;
        }
    }
}

#[async_trait]
impl Runtime for FakeRuntime {
    async fn start(&self, spec: ContainerSpec) -> Result<StartedContainer, RuntimeError> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut state = self.state.lock().unwrap();
        if let Some(error) = state.refusals.pop_front() {
            return Err(error);
        }
        state.started.push(spec.clone());
        let container_id = format!("c{}", state.started.len());
        let ip = format!("10.244.0.{}", state.started.len());
        let container = FakeContainer { spec, exit: None, ip: ip.clone(), ignores_stop_for: Duration::ZERO };
        state.containers.insert(container_id.clone(), container);
        Ok(StartedContainer { container_id, pod_ip: ip })
    }

    async fn wait(&self, container_id: &str) -> Result<Exit, RuntimeError> {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            match self.state.lock().unwrap().containers.get(container_id) {
                None => return Err(RuntimeError::NotRunning(container_id.to_owned())),
                Some(FakeContainer { exit: Some(exit), .. }) => return Ok(exit.clone()),
                Some(_) => {}
            }
            changed.await;
        }
    }

    async fn stop(&self, container_id: &str, grace: Duration) -> Result<(), RuntimeError> {
        let lasts = {
            let mut state = self.state.lock().unwrap();
            state.stops.push((container_id.to_owned(), grace));
            let Some(one) = state.containers.get(container_id) else { return Ok(()) };
            one.ignores_stop_for.min(grace)
        };
        tokio::time::sleep(lasts).await;
        if let Some(one) = self.state.lock().unwrap().containers.get_mut(container_id) {
            let code = if lasts < grace { 143 } else { 137 };
            one.exit.get_or_insert(Exit { code, message: String::new() });
        }
        self.changed.notify_waiters();
        // Whoever waits has to see the end before the container is removed.
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.state.lock().unwrap().containers.remove(container_id);
        Ok(())
    }

    async fn checkpoint(
        &self,
        container_id: &str,
        archive: &str,
        timeout: Duration,
    ) -> Result<u64, RuntimeError> {
        let takes = self.state.lock().unwrap().checkpoint_takes;
        tokio::time::sleep(takes).await;
        let mut state = self.state.lock().unwrap();
        if state.containers.get(container_id).is_none_or(|one| one.exit.is_some()) {
            return Err(RuntimeError::NotRunning(container_id.to_owned()));
        }
        state.archives.push((container_id.to_owned(), archive.to_owned(), timeout));
        Ok(4096)
    }

    async fn running(&self) -> Result<Vec<RunningContainer>, RuntimeError> {
        let state = self.state.lock().unwrap();
        let running = state.containers.iter().filter(|(_, one)| one.exit.is_none());
        Ok(running
            .map(|(id, one)| RunningContainer {
                container_id: id.clone(),
                pod_uid: one.spec.pod_uid.clone(),
                container: one.spec.container.clone(),
                attempt: one.spec.attempt,
                pod_ip: one.ip.clone(),
            })
            .collect())
    }
}
