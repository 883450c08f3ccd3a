//! `ms2m transfer` in the simulation: its command line and its report, without a real registry behind them.

use std::time::Duration;

use ms2m::registry::report::{
    ArchiveIdentity, Cleaned, ImageDeletion, Pushed, TransferFailure, TransferReason, TransferReport,
};
use tokio::sync::watch;

use super::{
    Archive, Container, Image, Machines, Memory, Snapshot,
    machines::{Ailment, State},
};
use crate::kubelet::{ContainerSpec, Exit, StartedContainer};

/// Start of the pod, and the push of the counter's archive: measured.
const PUSH: Duration = Duration::from_millis(550);

/// A registry that is down is asked again, as the real command does.
const ATTEMPTS: u32 = 5;
const RETRY: Duration = Duration::from_secs(2);

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
    node: String,
    words: Vec<String>,
    ends_at: Duration,
    attempts: u32,
}

/// Starts it. It needs no network host: what it does to the world happens at one instant, when it ends; whether or not
/// the kubelet that started it still lives.
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
        memory: Box::new(NoMemory),
        exit,
    };
    state.containers.insert(container_id.clone(), container);
    state.transfers.push(Transfer {
        container_id: container_id.clone(),
        node: node.to_owned(),
        words: spec.command.iter().chain(&spec.args).cloned().collect(),
        ends_at: turmoil::sim_elapsed().unwrap_or_default() + PUSH,
        attempts: 1,
    });
    StartedContainer { container_id, pod_ip: String::new() }
}

impl Machines {
    /// Ends the transfers that are due.
    pub(super) fn carry_out_transfers(&self, now: Duration) {
        let ended = {
            let mut state = self.lock();
            let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut state.transfers)
                .into_iter()
                .partition(|transfer| transfer.ends_at <= now);
            state.transfers = later;
            let mut ended = Vec::new();
            for transfer in due {
                let runs = state.containers.get(&transfer.container_id).filter(|container| container.runs());
                let Some(job_pod) = runs.map(|container| container.pod.clone()) else { continue };
                match carry_out(&mut state, &job_pod, &transfer.node, &transfer.words) {
                    TransferReport::Error(TransferFailure {
                        reason: TransferReason::RegistryUnavailable,
                        ..
                    }) if transfer.attempts < ATTEMPTS => state.transfers.push(Transfer {
                        ends_at: now + RETRY,
                        attempts: transfer.attempts + 1,
                        ..transfer
                    }),
                    report => ended.push((transfer.container_id, report)),
                }
            }
            ended
        };
        for (container_id, report) in ended {
            let code = i32::from(matches!(report, TransferReport::Error(_)));
            let is_lost = self.lock().has(Ailment::LosesReports);
            let message =
                if is_lost { String::new() } else { serde_json::to_string(&report).unwrap_or_default() };
            self.exited(&container_id, Exit { code, message }, now);
        }
    }
}

fn carry_out(state: &mut State, job_pod: &str, node: &str, words: &[String]) -> TransferReport {
    match value(words, "--archive") {
        Some(archive) => push(state, job_pod, (node, archive), words),
        None => clean(state, job_pod, node, words),
    }
}

fn push(state: &mut State, job_pod: &str, (node, path): (&str, &str), words: &[String]) -> TransferReport {
    let expected = value(words, "--expect-container-id").map(without_scheme);
    let Some(archive) = state.archives.get(&(node.to_owned(), path.to_owned())).cloned() else {
        return failure(TransferReason::ArchiveMissing, format!("there is no archive {path} on {node}"));
    };
    if expected.is_some_and(|expected| expected != archive.container_id) {
        return failure(
            TransferReason::ArchiveIdentityMismatch,
            format!("{path} is of {}", archive.container_id),
        );
    }
    let Some((repository, tag)) = value(words, "--image").and_then(|image| image.rsplit_once(':')) else {
        return failure(TransferReason::OptionsInvalid, "--image REPOSITORY:TAG is missing".to_owned());
    };
    if let Some(refused) = refusal(state, repository) {
        return refused;
    }
    let digest = state.images.push(repository, tag, archive.clone());
    state.note_handling(job_pod, Handled::Pushed(tag.to_owned()), &archive.pod_uid);
    TransferReport::Pushed(Pushed {
        image: format!("{repository}@{digest}"),
        digest,
        bytes: archive.bytes,
        attempts: 1,
        archive: ArchiveIdentity {
            container_id: archive.container_id,
            container_name: archive.container,
            pod_uid: Some(archive.pod_uid),
            base_image: archive.base_image,
            checkpointed_at: None,
        },
        duration_ms: 150,
    })
}

fn refusal(state: &State, repository: &str) -> Option<TransferReport> {
    let (reason, message) = if state.has(Ailment::RefusesPushes) {
        let say = "does not let this account push: give spec.transfer.pushSecret one that may";
        (TransferReason::RegistryForbidden, format!("{repository} {say}"))
    } else if state.has(Ailment::RegistryDown) {
        (TransferReason::RegistryUnavailable, format!("{repository} answers 503 Service Unavailable"))
    } else if state.has(Ailment::TruncatesPushes) {
        (TransferReason::RegistryUnavailable, format!("{repository}: the connection broke during the upload"))
    } else {
        return None;
    };
    Some(failure(reason, message))
}

fn clean(state: &mut State, job_pod: &str, node: &str, words: &[String]) -> TransferReport {
    let mut cleaned = Cleaned::default();
    let deletes = words.iter().any(|word| word == "--delete");
    if deletes && state.has(Ailment::RegistryDown) {
        return failure(TransferReason::RegistryUnavailable, "the registry answers 503".to_owned());
    }
    if deletes && let Some(image) = value(words, "--image") {
        if let Some(Image::Checkpoint(archive)) = state.images.pull(image) {
            state.note_handling(job_pod, Handled::ImageDeleted, &archive.pod_uid);
        }
        let there = state.images.delete(image);
        cleaned.image = Some(if there { ImageDeletion::Deleted } else { ImageDeletion::AlreadyGone });
    }
    if words.iter().any(|word| word == "--delete-archives")
        && let Some(container_id) = value(words, "--container-id").map(without_scheme)
    {
        let is_meant = |(at, _): &(String, String), archive: &Archive| {
            at == node && archive.container_id == container_id
        };
        let meant = state.archives.extract_if(.., |place, archive| is_meant(place, archive));
        let gone: Vec<Archive> = meant.map(|(_, archive)| archive).collect();
        for archive in &gone {
            state.note_handling(job_pod, Handled::ArchiveDeleted, &archive.pod_uid);
        }
        cleaned.archives_deleted = u32::try_from(gone.len()).unwrap_or(u32::MAX);
    }
    TransferReport::Cleaned(cleaned)
}

fn failure(reason: TransferReason, message: String) -> TransferReport {
    TransferReport::Error(TransferFailure { reason, message })
}

/// The value of a flag, written `--flag value` or `--flag=value`.
fn value<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(flag)? {
        "" => words.get(at + 1).map(String::as_str),
        rest => rest.strip_prefix('='),
    })
}

fn without_scheme(id: &str) -> String {
    id.rsplit("://").next().unwrap_or(id).to_owned()
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
