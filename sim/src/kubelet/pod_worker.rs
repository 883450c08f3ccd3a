use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    Exit, Kubelet, RunningContainer, RuntimeError, StartedContainer,
    container::{Container, Ended, RestartPolicy, State},
    node::KnownPod,
    pod_status::{Conditions, Facts, status_of, time},
    pod_writes::WriteError,
    reference::{ConfigError, References},
    resolve::resolve,
};

/// How long to wait after something failed that has to work in the end.
const RETRY: Duration = Duration::from_secs(1);
/// What a container is said to have ended with that nobody saw ending.
pub(super) const CODE_UNKNOWN: i32 = 137;

/// What the watch says about one pod.
pub(super) enum PodUpdate {
    Changed(Box<Pod>),
    /// Its status may have been overwritten by others.
    WriteAgain,
    /// It is gone from the API server; its containers may take this long.
    Vanished(Duration),
}

/// Runs the containers of one pod, from the first sight of it until nothing is left.
pub(super) struct PodWorker {
    pub(super) kubelet: Kubelet,
    pub(super) pod: Arc<Pod>,
    updates: mpsc::UnboundedReceiver<PodUpdate>,
    pub(super) containers: Vec<Container>,
    conditions: Conditions,
    policy: RestartPolicy,
    start_time: String,
    pub(super) pending: FuturesUnordered<BoxFuture<'static, Happened>>,
    /// The status that the API server has.
    pub(super) written: Value,
    pub(super) is_writing: bool,
    /// The grace period, once the pod is to go.
    going: Option<Duration>,
    /// Whether nobody needs to be told any more.
    pub(super) vanished: bool,
    stops_pending: usize,
}

pub(super) enum Happened {
    Started { index: usize, result: Result<StartedContainer, StartError> },
    Exited { index: usize, id: String, exit: Result<Exit, RuntimeError> },
    RetryDue { index: usize },
    Stopped { id: String, result: Result<(), RuntimeError> },
    StopDue { id: String },
    Written { status: Value, result: Result<(), WriteError> },
    WriteDue,
    Confirmed(Result<(), WriteError>),
}

/// Why a container did not start.
pub(super) enum StartError {
    Config(ConfigError),
    Runtime(RuntimeError),
}

impl PodWorker {
    pub(super) fn new(
        kubelet: Kubelet,
        pod: Pod,
        updates: mpsc::UnboundedReceiver<PodUpdate>,
        found: &[RunningContainer],
    ) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let started = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
        let start_time = time(started.map_or_else(|| kubelet.shared.clock.now(), |at| at.0));
        let mut worker = Self {
            containers: Vec::new(),
            conditions: Conditions::read(&pod),
            policy: RestartPolicy::read(spec.restart_policy.as_deref()),
            start_time,
            pending: FuturesUnordered::new(),
            written: Value::Null,
            is_writing: false,
            going: None,
            vanished: false,
            stops_pending: 0,
            pod: Arc::new(pod),
            updates,
            kubelet,
        };
        for (index, container) in spec.containers.iter().enumerate() {
            let fresh = Container::new(&container.name, container.image.as_deref().unwrap_or_default());
            worker.containers.push(fresh);
            worker.take_over(index, found);
        }
        worker.notice_deletion();
        worker
    }

    pub(super) fn now(&self) -> Timestamp {
        self.kubelet.shared.clock.now()
    }

    /// Works until the pod is gone from here and, unless it vanished, from the API server.
    pub(super) async fn run(mut self) {
        self.publish_running();
        loop {
            if self.going.is_none() {
                self.start_due();
            } else if self.is_finished() {
                if self.vanished {
                    return;
                }
                let status = self.status();
                if self.written == status && !self.is_writing {
                    self.is_writing = true;
                    self.pending.push(self.confirm().map(Happened::Confirmed).boxed());
                }
            }
            self.write_status();
            tokio::select! {
                biased;
                update = self.updates.recv() => match update {
                    Some(update) => self.update(update),
                    None => return,
                },
                Some(happened) = self.pending.next() => {
                    if self.handle(happened).is_break() {
                        return;
                    }
                }
            }
        }
    }

    fn update(&mut self, update: PodUpdate) {
        match update {
            PodUpdate::Changed(pod) => {
                self.pod = Arc::from(pod);
                self.notice_deletion();
            }
            PodUpdate::WriteAgain => self.written = Value::Null,
            PodUpdate::Vanished(grace) => {
                self.vanished = true;
                self.go(grace);
            }
        }
    }

    fn notice_deletion(&mut self) {
        if self.pod.metadata.deletion_timestamp.is_some() {
            let seconds = self.pod.metadata.deletion_grace_period_seconds.unwrap_or_default().max(1);
            self.go(Duration::from_secs(seconds.unsigned_abs()));
        }
    }

    /// Begins to end the pod, or ends it sooner than was said before.
    fn go(&mut self, grace: Duration) {
        if self.going.is_some_and(|present| present <= grace) {
            return;
        }
        self.going = Some(grace);
        let ids: Vec<String> = self.containers.iter().filter_map(|one| one.id().map(str::to_owned)).collect();
        for id in ids.into_iter().filter(|id| !id.is_empty()) {
            self.stop(id);
        }
        self.publish_running();
    }

    fn stop(&mut self, id: String) {
        let runtime = self.kubelet.shared.runtime.clone();
        let grace = self.going.unwrap_or_default();
        self.stops_pending += 1;
        self.pending.push(Box::pin(async move {
            let result = runtime.stop(&id, grace).await;
            Happened::Stopped { id, result }
        }));
    }

    fn is_finished(&self) -> bool {
        self.stops_pending == 0
            && !self.containers.iter().any(|one| matches!(one.state, State::Starting | State::Running { .. }))
    }

    fn start_due(&mut self) {
        for index in 0..self.containers.len() {
            let container = &mut self.containers[index];
            if !container.is_due {
                continue;
            }
            container.is_due = false;
            let previous = container.id().map(str::to_owned);
            if let State::Terminated(ended) = &container.state {
                container.last = Some(ended.clone());
            }
            container.restarts += u32::from(std::mem::take(&mut container.is_restart));
            container.state = State::Starting;
            let start = start(
                self.kubelet.clone(),
                self.pod.clone(),
                container.name.clone(),
                container.restarts,
                previous,
            );
            self.pending.push(start.map(move |result| Happened::Started { index, result }).boxed());
        }
    }

    fn handle(&mut self, happened: Happened) -> std::ops::ControlFlow<()> {
        match happened {
            Happened::Started { index, result } => self.started(index, result),
            Happened::Exited { index, id, exit } => self.exited(index, &id, exit),
            Happened::RetryDue { index } => self.containers[index].is_due = true,
            Happened::Stopped { id, result } => {
                self.stops_pending -= 1;
                if let Err(error) = result {
                    tracing::warn!(target: "kubelet", %error, container = id, "the container was not stopped");
                    self.stops_pending += 1;
                    self.pending.push(later(RETRY, Happened::StopDue { id }));
                }
            }
            Happened::StopDue { id } => {
                self.stops_pending -= 1;
                self.stop(id);
            }
            Happened::Written { status, result } => match result {
                Ok(()) => {
                    self.written = status;
                    self.is_writing = false;
                }
                Err(error) => self.write_failed(&error),
            },
            Happened::WriteDue => self.is_writing = false,
            Happened::Confirmed(Ok(()) | Err(WriteError::Gone)) => return std::ops::ControlFlow::Break(()),
            Happened::Confirmed(Err(error)) => self.write_failed(&error),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn write_failed(&mut self, error: &WriteError) {
        match error {
            // The watch tells the rest; until then there is nobody to write to.
            WriteError::Gone => tracing::debug!(target: "kubelet", "the pod is gone from the API server"),
            WriteError::Failed(why) => tracing::debug!(target: "kubelet", why, "a write failed"),
        }
        self.pending.push(later(RETRY, Happened::WriteDue));
    }

    fn started(&mut self, index: usize, result: Result<StartedContainer, StartError>) {
        let backoff = self.backoff();
        let container = &mut self.containers[index];
        let wait = match result {
            Ok(started) => {
                container.pod_ip = started.pod_ip;
                let now = self.now();
                self.is_running(index, &started.container_id, now);
                if self.going.is_some() {
                    self.stop(started.container_id);
                }
                return;
            }
            Err(StartError::Runtime(error @ RuntimeError::Image { .. })) => {
                let reason = if container.quick_failures == 0 { "ErrImagePull" } else { "ImagePullBackOff" };
                container.fail_to_start(reason, error.to_string(), backoff)
            }
            Err(StartError::Config(error)) => {
                container.fail_to_start("CreateContainerConfigError", error.to_string(), backoff)
            }
            // The runtime made the container and could not start it: that container has ended.
            Err(StartError::Runtime(error)) if self.policy == RestartPolicy::Never => {
                let now = self.now();
                let ended = Ended {
                    id: String::new(),
                    code: 128,
                    reason: "StartError",
                    message: error.to_string(),
                    started_at: now,
                    finished_at: now,
                };
                self.has_ended(index, ended);
                return;
            }
            Err(StartError::Runtime(error)) => {
                container.fail_to_start("RunContainerError", error.to_string(), backoff)
            }
        };
        self.pending.push(later(wait, Happened::RetryDue { index }));
    }

    fn backoff(&self) -> (Duration, Duration) {
        (self.kubelet.shared.config.backoff_first, self.kubelet.shared.config.backoff_max)
    }

    pub(super) fn is_running(&mut self, index: usize, id: &str, started_at: Timestamp) {
        let container = &mut self.containers[index];
        container.state = State::Running { id: id.to_owned(), started_at };
        container.is_due = false;
        let runtime = self.kubelet.shared.runtime.clone();
        let id = id.to_owned();
        self.pending.push(Box::pin(async move {
            let exit = runtime.wait(&id).await;
            Happened::Exited { index, id, exit }
        }));
        self.publish_running();
    }

    fn exited(&mut self, index: usize, exited: &str, exit: Result<Exit, RuntimeError>) {
        let State::Running { id, started_at } = &self.containers[index].state else { return };
        if id != exited {
            return;
        }
        let (code, reason, message) = match exit {
            Ok(Exit { code: 0, message }) => (0, "Completed", message),
            Ok(Exit { code, message }) => (code, "Error", message),
            Err(error) => (CODE_UNKNOWN, "ContainerStatusUnknown", error.to_string()),
        };
        let finished_at = self.now();
        let ended = Ended { id: id.clone(), code, reason, message, started_at: *started_at, finished_at };
        self.has_ended(index, ended);
        self.publish_running();
    }

    pub(super) fn has_ended(&mut self, index: usize, ended: Ended) {
        let backoff = self.backoff();
        if self.going.is_some() {
            self.containers[index].state = State::Terminated(ended);
            return;
        }
        match self.containers[index].end(ended, self.policy, backoff) {
            None => {}
            Some(Duration::ZERO) => self.containers[index].is_due = true,
            Some(wait) => self.pending.push(later(wait, Happened::RetryDue { index })),
        }
    }

    /// Lets the checkpoint API know what runs.
    fn publish_running(&self) {
        let metadata = &self.pod.metadata;
        let place =
            (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default());
        let containers = self.containers.iter().map(|one| {
            let id = match &one.state {
                State::Running { id, .. } => Some(id.clone()),
                _ => None,
            };
            (one.name.clone(), id)
        });
        let known =
            KnownPod { uid: metadata.uid.clone().unwrap_or_default(), containers: containers.collect() };
        let mut state = self.kubelet.lock();
        let is_replaced = self.vanished && state.pods.get(&place).is_some_and(|pod| pod.uid != known.uid);
        if !is_replaced {
            state.pods.insert(place, known);
        }
    }

    pub(super) fn status(&mut self) -> Value {
        let now = self.now();
        let facts = Facts {
            containers: &self.containers,
            policy: self.policy,
            host_ip: &self.kubelet.shared.config.address,
            start_time: &self.start_time,
            is_going: self.going.is_some(),
            now,
        };
        status_of(&facts, &mut self.conditions)
    }
}

async fn start(
    kubelet: Kubelet,
    pod: Arc<Pod>,
    container: String,
    attempt: u32,
    previous: Option<String>,
) -> Result<StartedContainer, StartError> {
    let shared = &kubelet.shared;
    let references = References::new(shared.client.clone(), &pod, &shared.config.address);
    let spec = resolve(&references, &container, attempt).await.map_err(StartError::Config)?;
    if let Some(previous) = previous.filter(|id| !id.is_empty()) {
        shared.runtime.stop(&previous, Duration::ZERO).await.map_err(StartError::Runtime)?;
    }
    shared.runtime.start(spec).await.map_err(StartError::Runtime)
}

fn later(wait: Duration, happened: Happened) -> BoxFuture<'static, Happened> {
    Box::pin(async move {
        tokio::time::sleep(wait).await;
        happened
    })
}
