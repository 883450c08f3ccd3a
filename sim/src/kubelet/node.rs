use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt as _, watcher},
};
use ms2m_app::io::Clock;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};

use super::{
    Config, RunningContainer, Runtime,
    checkpoint::Checkpoints,
    heartbeat,
    pod_worker::{PodUpdate, PodWorker},
};

/// How long a pod that vanished from the API may take to end, when it said nothing about that.
const GRACE_DEFAULT_S: i64 = 30;
/// Even a pod that is killed at once gets this long.
const GRACE_MIN_S: i64 = 1;

/// The kubelet of one node. Clones share one state.
#[derive(Clone)]
pub struct Kubelet {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    /// Rings when others had given the node up.
    pub(super) returned: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// By namespace and name.
    pub(super) pods: BTreeMap<(String, String), KnownPod>,
    pub(super) checkpoints: Checkpoints,
}

/// A pod of this node.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownPod {
    pub(super) uid: String,
    /// All its containers; the runtime's id of those that run.
    pub(super) containers: BTreeMap<String, Option<String>>,
}

impl Kubelet {
    /// A kubelet that has not begun yet. In the simulator, `client` is built on the same host.
    pub fn new(config: Config, runtime: Arc<dyn Runtime>, client: Client, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                runtime,
                client,
                clock,
                returned: Notify::new(),
                state: Mutex::default(),
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the node registered and its pods running, for as long as it is polled.
    ///
    /// Dropping it is a crash of the kubelet: containers run on, and the next kubelet of this node takes them over as
    /// far as the runtime still knows them.
    pub async fn run(self) {
        futures::future::join(heartbeat::run(&self).boxed(), self.run_pods().boxed()).await;
    }

    async fn run_pods(&self) {
        let found = self.running_containers().await;
        let mut pods = Pods::new(self, found);
        let api: Api<Pod> = Api::all(self.shared.client.clone());
        let config = &self.shared.config;
        let mine = watcher::Config::default()
            .fields(&format!("spec.nodeName={}", config.node_name))
            .timeout(config.watch_timeout_s);
        let mut events = std::pin::pin!(watcher(api, mine).default_backoff());
        loop {
            tokio::select! {
                biased;
                Some(ended) = pods.tasks.join_next() => {
                    if let Ok(uid) = ended {
                        pods.forget(&uid);
                    }
                }
                () = self.shared.returned.notified() => pods.write_again(),
                Some(event) = events.next() => match event {
                    Ok(event) => pods.take(event).await,
                    Err(error) => tracing::debug!(target: "kubelet", %error, "the watch of the pods failed"),
                },
            }
        }
    }

    async fn running_containers(&self) -> Vec<RunningContainer> {
        loop {
            match self.shared.runtime.running().await {
                Ok(mut found) => {
                    found.sort_by(|one, other| one.container_id.cmp(&other.container_id));
                    return found;
                }
                Err(error) => tracing::warn!(target: "kubelet", %error, "the runtime does not answer"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// The pods that the API server says are this node's, and a worker for each.
struct Pods {
    kubelet: Kubelet,
    workers: BTreeMap<String, Worker>,
    tasks: JoinSet<String>,
    /// UIDs in the list that is being received.
    listed: BTreeSet<String>,
    /// Workers that are done while the API server may still speak of their pods.
    done: BTreeSet<String>,
    /// Containers of an earlier kubelet that nobody has asked for yet.
    found: Vec<RunningContainer>,
}

struct Worker {
    place: (String, String),
    updates: mpsc::UnboundedSender<PodUpdate>,
}

impl Pods {
    fn new(kubelet: &Kubelet, found: Vec<RunningContainer>) -> Self {
        Self {
            kubelet: kubelet.clone(),
            workers: BTreeMap::new(),
            tasks: JoinSet::new(),
            listed: BTreeSet::new(),
            done: BTreeSet::new(),
            found,
        }
    }

    async fn take(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => {
                self.listed.extend(pod.metadata.uid.clone());
                self.apply(pod);
            }
            watcher::Event::InitDone => {
                let gone: Vec<String> =
                    self.workers.keys().filter(|uid| !self.listed.contains(*uid)).cloned().collect();
                for uid in gone {
                    self.vanish(&uid, GRACE_DEFAULT_S);
                }
                self.done.retain(|uid| self.listed.contains(uid));
                self.remove_orphans().await;
            }
            watcher::Event::Apply(pod) => self.apply(pod),
            watcher::Event::Delete(pod) => {
                let uid = pod.metadata.uid.clone().unwrap_or_default();
                let spec = pod.spec.as_ref();
                let grace = pod
                    .metadata
                    .deletion_grace_period_seconds
                    .or_else(|| spec.and_then(|spec| spec.termination_grace_period_seconds))
                    .unwrap_or(GRACE_DEFAULT_S);
                self.vanish(&uid, grace);
                self.done.remove(&uid);
            }
        }
    }

    fn apply(&mut self, pod: Pod) {
        let (Some(uid), Some(name)) = (pod.metadata.uid.clone(), pod.metadata.name.clone()) else { return };
        if self.done.contains(&uid) {
            return;
        }
        if let Some(worker) = self.workers.get(&uid) {
            // A worker that has just ended does not want to know any more.
            let _ = worker.updates.send(PodUpdate::Changed(Box::new(pod)));
            return;
        }
        let place = (pod.metadata.namespace.clone().unwrap_or_default(), name);
        let replaced: Vec<String> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.place == place)
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in replaced {
            self.vanish(&uid, GRACE_DEFAULT_S);
        }
        let (updates, received) = mpsc::unbounded_channel();
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.found).into_iter().partition(|one| one.pod_uid == uid);
        self.found = others;
        let worker = PodWorker::new(self.kubelet.clone(), pod, received, &own);
        self.workers.insert(uid.clone(), Worker { place, updates });
        self.tasks.spawn(async move {
            worker.run().await;
            uid
        });
    }

    /// The pod is gone from the API server, with or without this kubelet's consent.
    fn vanish(&mut self, uid: &str, grace_s: i64) {
        if let Some(worker) = self.workers.get(uid) {
            let grace = Duration::from_secs(grace_s.max(GRACE_MIN_S).unsigned_abs());
            let _ = worker.updates.send(PodUpdate::Vanished(grace));
        }
    }

    /// What others wrote about the pods while the node was silent is put right.
    fn write_again(&self) {
        for worker in self.workers.values() {
            let _ = worker.updates.send(PodUpdate::WriteAgain);
        }
    }

    fn forget(&mut self, uid: &str) {
        let Some(worker) = self.workers.remove(uid) else { return };
        self.done.insert(uid.to_owned());
        let mut state = self.kubelet.lock();
        if state.pods.get(&worker.place).is_some_and(|pod| pod.uid == uid) {
            state.pods.remove(&worker.place);
        }
    }

    /// Ends what an earlier kubelet left running for pods that are no more.
    async fn remove_orphans(&mut self) {
        for orphan in std::mem::take(&mut self.found) {
            let grace = Duration::from_secs(GRACE_MIN_S.unsigned_abs());
            if let Err(error) = self.kubelet.shared.runtime.stop(&orphan.container_id, grace).await {
                tracing::warn!(target: "kubelet", %error, container = orphan.container_id, "an orphan was not removed");
            }
        }
    }
}
