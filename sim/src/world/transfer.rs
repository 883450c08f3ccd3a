//! `ms2m transfer` in the simulation: the real one, on a network host of its own, with the node's simulated disk.

mod node;
#[cfg(test)]
mod tests;

use std::{pin::Pin, sync::Arc};

use ms2m::registry::{flags::TransferFlags, report::TransferReport, transfer::carry_out};

use super::{Archive, Launch, Machines, Memory, Program, Snapshot, State, machines::Ailment};
use crate::kubelet::{ContainerSpec, Exit};
use node::SimNode;

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

/// A manifest that a transfer has sent, and that the registry may not have taken yet.
pub(super) struct PushUnderWay {
    pub(super) container_id: String,
    pub(super) pod: String,
    pub(super) repository: String,
    pub(super) tag: String,
}

/// The operator's image, as far as a node runs it.
pub(super) struct TransferProgram {
    pub(super) node: String,
    pub(super) machines: Machines,
}

/// Whether a container runs `ms2m transfer`.
pub(super) fn is_transfer(spec: &ContainerSpec) -> bool {
    words(spec).any(|word| word == "transfer")
}

fn words(spec: &ContainerSpec) -> impl Iterator<Item = &str> {
    spec.command.iter().chain(&spec.args).map(String::as_str)
}

impl Program for TransferProgram {
    fn launch(&self, spec: &ContainerSpec, _: Option<Snapshot>) -> Launch {
        let flags: Vec<String> =
            words(spec).skip_while(|word| *word != "transfer").skip(1).map(str::to_owned).collect();
        let node = SimNode::new(&self.node, self.machines.clone(), spec);
        let (machines, archive) = (self.machines.clone(), value_of(&flags, "--archive").map(str::to_owned));
        let main = move || {
            let run = async move { run(&flags, &node, &machines).await };
            Box::pin(run) as Pin<Box<dyn Future<Output = Exit>>>
        };
        let pushes = archive.map(|path| (self.node.clone(), path));
        Launch { memory: Box::new(Errand { pushes }), main: Box::new(main) }
    }
}

async fn run(flags: &[String], node: &SimNode, machines: &Machines) -> Exit {
    let report = match TransferFlags::parse(flags.iter().map(String::as_str)) {
        Ok(flags) => carry_out(&flags, node).await,
        Err(error) => Err(error),
    };
    let report = report.unwrap_or_else(|error| TransferReport::Error(error.failure()));
    let is_lost = machines.lock().meets(Ailment::LosesReports);
    let message = if is_lost { String::new() } else { report.to_line() };
    Exit { code: i32::from(report.exit_code()), message }
}

fn value_of<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    words.iter().position(|word| word == flag).and_then(|at| words.get(at + 1)).map(String::as_str)
}

/// What is known of a transfer from outside.
struct Errand {
    /// Node and path of the archive that it pushes.
    pushes: Option<(String, String)>,
}

impl Memory for Errand {
    fn snapshot(&self) -> Snapshot {
        Arc::new(())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl State {
    /// The archive that a container pushes, if it is a transfer that does.
    pub(super) fn pushed_archive(&self, container_id: &str) -> Option<&Archive> {
        let errand = self.containers.get(container_id)?.memory.as_any().downcast_ref::<Errand>()?;
        self.archives.get(errand.pushes.as_ref()?)
    }
}
