use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use super::{
    Archive, Main, Memory, Program, Reached,
    freezer::Freezer,
    rare::KILLED_PUSHING,
    registry_host::SharedStore,
    sidecar::SIDECAR,
    transfer::{Handled, Handling, PushUnderWay},
};
use crate::kubelet::Exit;

/// Everything that nodes hold and run: processes, disks, and the registry they pull from.
///
/// The kubelets' runtimes ask; whoever steps the simulation answers between two steps, because a network host can only
/// be made or crashed from outside.
#[derive(Clone, Default)]
pub struct Machines(Arc<Mutex<State>>);

/// See [`Machines`].
#[derive(Default)]
pub struct State {
    /// Images of programs, by reference: every node has them.
    pub programs: BTreeMap<String, Arc<dyn Program>>,
    /// What the registry stores.
    pub(super) registry: SharedStore,
    /// Every checkpoint that was ever written, by the digest of its archive.
    pub checkpoints: BTreeMap<String, Archive>,
    /// Archives by node and path.
    pub archives: BTreeMap<(String, String), Archive>,
    /// Every container that ever ran, by id.
    pub containers: BTreeMap<String, Container>,
    /// How many of the next checkpoints fail.
    pub checkpoint_failures: u32,
    /// How many have failed so.
    pub(super) checkpoints_failed: u64,
    /// What does not work at present.
    pub ailments: BTreeSet<Ailment>,
    /// How often something was done otherwise by each.
    met: BTreeMap<Ailment, u64>,
    /// What can hold a process still, by container id.
    pub(super) freezers: BTreeMap<String, Freezer>,
    pub(super) requests: VecDeque<Request>,
    /// Transfers of which the registry has blobs and not the manifest, by container id.
    pub(super) halfway: BTreeSet<String>,
    pub(super) pushes: Vec<PushUnderWay>,
    /// What transfer Jobs did to checkpoints, in order.
    pub(super) handlings: Vec<Handling>,
    /// Rare points that machines have reached.
    pub(super) reached: Reached,
    pub(super) serial: u64,
}

/// Something that nodes or the registry do not do as they should, for as long as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ailment {
    /// Restores silently start the base image instead, as runtimes do where restoring is switched off.
    RestoresFresh,
    /// Restores fail.
    FailsRestores,
    /// Nothing can be checkpointed, because the runtimes find no CRIU.
    LacksCriu,
    /// Checkpoints fail.
    FailsCheckpoints,
    /// Checkpoints take much longer.
    SlowCheckpoints,
    /// Checkpoints do not end.
    HangsCheckpoints,
    /// No archive can be written.
    DiskFull,
    /// No image is accepted, as from one who may not push.
    RefusesPushes,
    /// The registry answers everything with 503.
    RegistryDown,
    /// The registry takes requests and never answers them.
    RegistryHangs,
    /// Uploads of blobs break off.
    TruncatesPushes,
    /// Manifests are answered 500.
    RefusesManifests,
    /// Manifests are taken, and the connections break before the answer.
    LosesPushAnswers,
    /// Transfers are killed when their blobs are there and their manifest is not.
    CrashesTransfers,
    /// Nothing is read of what a transfer Job reports.
    LosesReports,
    /// No image can be pulled.
    RefusesPulls,
}

/// A process.
pub struct Container {
    /// Name of its network host.
    pub host: String,
    /// UID of its pod.
    pub pod_uid: String,
    /// Name of its pod.
    pub pod: String,
    /// Its name in the pod.
    pub container: String,
    /// Its node.
    pub node: String,
    /// How many containers of its pod and name came before it.
    pub attempt: u32,
    /// Address of its sandbox.
    pub pod_ip: String,
    /// The image that it came from, a checkpoint's base image included.
    pub base_image: String,
    /// The checkpoint that it was restored from.
    pub restored_from: Option<u64>,
    /// When it was started, since the run began.
    pub began: Duration,
    /// When it ended, if it has.
    pub ended: Option<Duration>,
    /// Whether it was held still at some time: then it may not know yet what has become of its connections.
    pub stood_still: bool,
    /// Its RAM.
    pub memory: Box<dyn Memory>,
    pub(super) exit: watch::Sender<Option<Exit>>,
}

impl Container {
    /// Whether it is the one of its pod that is moved, and no sidecar.
    pub(super) fn holds_state(&self) -> bool {
        self.container != SIDECAR
    }

    /// Its exit code, if it has ended.
    pub fn exit_code(&self) -> Option<i32> {
        self.exit.borrow().as_ref().map(|exit| exit.code)
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.ended.is_none()
    }
}

/// What only the stepper of the simulation can do.
pub(super) enum Request {
    /// Make a network host and run a process on it.
    Run { container_id: String, host: String, main: Main, started: oneshot::Sender<IpAddr> },
    /// End a process at once.
    Kill { container_id: String },
}

impl State {
    /// Whether something does not work at present.
    pub fn has(&self, ailment: Ailment) -> bool {
        self.ailments.contains(&ailment)
    }

    /// The same, asked by what does otherwise where it is so.
    pub(super) fn meets(&mut self, ailment: Ailment) -> bool {
        let is_met = self.has(ailment);
        if is_met {
            *self.met.entry(ailment).or_default() += 1;
        }
        is_met
    }

    pub(super) fn times_met(&self, ailment: Ailment) -> u64 {
        self.met.get(&ailment).copied().unwrap_or_default()
    }

    /// Whether the next checkpoint is to fail by itself, which then has been done.
    pub(super) fn fails_a_checkpoint(&mut self) -> bool {
        let fails = self.checkpoint_failures > 0;
        self.checkpoint_failures -= u32::from(fails);
        self.checkpoints_failed += u64::from(fails);
        fails
    }

    pub(super) fn note_handling(&mut self, job_pod: &str, deed: Handled, of_pod: &str) {
        let (job_pod, of_pod) = (job_pod.to_owned(), of_pod.to_owned());
        self.handlings.push(Handling { job_pod, deed, of_pod });
    }
}

impl Machines {
    /// The state; never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Machines {
    /// Does what the runtimes asked for since the last step.
    pub fn serve(&self, sim: &mut turmoil::Sim<'_>) {
        self.lock().note_pushes();
        loop {
            // The lock is not held while a host starts: its process may look at the machines at once.
            let Some(request) = self.lock().requests.pop_front() else { return };
            match request {
                Request::Run { container_id, host, main, started } => {
                    self.run(sim, container_id, &host, main);
                    // Whoever asked may have crashed meanwhile; the container is there for its next incarnation.
                    let _ = started.send(sim.lookup(host.as_str()));
                }
                Request::Kill { container_id } => self.kill(sim, &container_id, 137),
            }
        }
    }

    fn run(&self, sim: &mut turmoil::Sim<'_>, container_id: String, host: &str, main: Main) {
        let (machines, main) = (self.clone(), RefCell::new(Some(main)));
        let freezer = self.lock().freezers.entry(container_id.clone()).or_default().clone();
        sim.host(host, move || {
            let main = main.borrow_mut().take();
            let (machines, container_id, freezer) = (machines.clone(), container_id.clone(), freezer.clone());
            async move {
                if let Some(main) = main {
                    let exit = freezer.begin(main()).await;
                    machines.exited(&container_id, exit, turmoil::sim_elapsed().unwrap_or_default());
                }
                Ok(())
            }
        });
    }

    /// Ends a process as a kill does: nothing of it runs any further.
    pub fn kill(&self, sim: &mut turmoil::Sim<'_>, container_id: &str, code: i32) {
        let (host, waiting) = {
            let mut state = self.lock();
            let before = state.requests.len();
            // One that was asked for in this very step has no host yet; whoever asked hears that it did not start.
            state.requests.retain(
                |request| !matches!(request, Request::Run { container_id: id, .. } if id == container_id),
            );
            let waiting = state.requests.len() < before;
            match state.containers.get(container_id) {
                Some(container) if container.runs() => (container.host.clone(), waiting),
                _ => return,
            }
        };
        if !waiting {
            crate::network::crash(sim, host);
        }
        {
            let mut state = self.lock();
            let is_halfway = state.halfway.remove(container_id);
            state.reached.reach_if(is_halfway, KILLED_PUSHING);
        }
        self.exited(container_id, Exit { code, message: String::new() }, sim.elapsed());
    }

    /// What runs on a node, by container id.
    pub fn running_on(&self, node: &str) -> Vec<String> {
        let state = self.lock();
        let here =
            state.containers.iter().filter(|(_, container)| container.node == node && container.runs());
        here.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn exited(&self, container_id: &str, exit: Exit, at: Duration) {
        if let Some(container) = self.lock().containers.get_mut(container_id) {
            container.ended.get_or_insert(at);
            container.exit.send_if_modified(|known| {
                let first = known.is_none();
                known.get_or_insert(exit);
                first
            });
        }
    }
}
