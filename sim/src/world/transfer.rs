//! `ms2m transfer` in the simulation: its command line and its report, without a real registry behind them.
//!
//! What it does to the registry, how often it tries, and how it ends is what `ms2m::registry` does.

mod clean;
mod errand;
mod push;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ms2m::registry::report::TransferReport;
use tokio::sync::watch;

use super::{
    Container, Machines, Memory, Snapshot,
    machines::{Ailment, State},
    rare::KILLED_PUSHING,
};
use crate::kubelet::{ContainerSpec, Exit, StartedContainer};
use errand::Errand;
use push::{Progress, Push};

/// Start of the pod, and the push of the counter's archive: measured. Half of it is over when the blobs are there.
const PUSH: Duration = Duration::from_millis(550);
/// What a process ends with that is killed.
const KILLED: i32 = 137;

/// Whether a container runs `ms2m transfer`.
pub(super) fn is_transfer(spec: &ContainerSpec) -> bool {
    spec.command.iter().chain(&spec.args).any(|word| word == "transfer")
}

/// What a transfer Job did to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handling {
    /// Name of the Job's pod.
    pub(super) job_pod: String,
    /// What it did.
    pub(super) deed: Handled,
    /// UID of the pod that the checkpoint is of.
    pub(super) of_pod: String,
}

/// What may be done to a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Handled {
    /// It was pushed under this tag.
    Pushed(String),
    /// Its image was deleted.
    ImageDeleted,
    /// Its archive was deleted.
    ArchiveDeleted,
}

/// A transfer that is under way.
pub(super) struct Transfer {
    container_id: String,
    errand: Errand,
    task: Task,
    goes_on_at: Duration,
}

enum Task {
    Push(Push),
    Clean,
}

/// Starts it. It needs no network host: what it does to the world happens at an instant or two, whether or not the kubelet that
/// started it still lives.
pub(super) fn start(node: &str, machines: &Machines, spec: &ContainerSpec) -> StartedContainer {
    let (exit, _) = watch::channel(None);
    let mut state = machines.lock();
    state.serial += 1;
    let container_id = format!("c{:04}-{}", state.serial, spec.pod);
    let container = Container {
        host: String::new(),
        pod_uid: spec.pod_uid.clone(),
        pod: spec.pod.clone(),
        container: spec.container.clone(),
        node: node.to_owned(),
        attempt: spec.attempt,
        pod_ip: String::new(),
        base_image: spec.image.clone(),
        restored_from: None,
        began: turmoil::sim_elapsed().unwrap_or_default(),
        ended: None,
        stood_still: false,
        memory: Box::new(NoMemory),
        exit,
    };
    state.containers.insert(container_id.clone(), container);
    let errand = Errand::new(node, spec);
    let (task, first) = match errand.value("--archive") {
        Some(_) => (Task::Push(Push::default()), PUSH / 2),
        None => (Task::Clean, PUSH),
    };
    let goes_on_at = turmoil::sim_elapsed().unwrap_or_default() + first;
    state.transfers.push(Transfer { container_id: container_id.clone(), errand, task, goes_on_at });
    StartedContainer { container_id, pod_ip: String::new() }
}

impl Machines {
    /// Goes on with the transfers whose time has come.
    pub(super) fn carry_out_transfers(&self, now: Duration) {
        let ended: Vec<(String, Exit)> = {
            let mut state = self.lock();
            let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut state.transfers)
                .into_iter()
                .partition(|transfer| transfer.goes_on_at <= now);
            state.transfers = later;
            due.into_iter().filter_map(|transfer| transfer.go_on(&mut state, now)).collect()
        };
        for (container_id, exit) in ended {
            self.exited(&container_id, exit, now);
        }
    }
}

impl Transfer {
    /// How its process ends, when it does so by itself.
    fn go_on(mut self, state: &mut State, now: Duration) -> Option<(String, Exit)> {
        let runs = state.containers.get(&self.container_id).is_some_and(Container::runs);
        let progress = match &mut self.task {
            Task::Push(push) if !runs => {
                state.reached.reach_if(push.is_halfway(), KILLED_PUSHING);
                return None;
            }
            Task::Clean if !runs => return None,
            Task::Push(push) => push.go_on(state, &self.errand),
            Task::Clean => Progress::Ends(clean::clean(state, &self.errand)),
        };
        let exit = match progress {
            Progress::GoesOn(after) => {
                self.goes_on_at = now + after;
                state.transfers.push(self);
                return None;
            }
            Progress::IsKilled => {
                state.reached.reach(KILLED_PUSHING);
                Exit { code: KILLED, message: String::new() }
            }
            Progress::Ends(report) => exit(state, &report),
        };
        Some((self.container_id, exit))
    }
}

fn exit(state: &State, report: &TransferReport) -> Exit {
    let message = if state.has(Ailment::LosesReports) { String::new() } else { report.to_line() };
    Exit { code: i32::from(report.exit_code()), message }
}

struct NoMemory;

impl Memory for NoMemory {
    fn snapshot(&self) -> Snapshot {
        std::sync::Arc::new(())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
