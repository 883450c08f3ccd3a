use std::time::Duration;

use ms2m::registry::{
    archive::ArchiveError,
    error::TransferError,
    report::{ArchiveIdentity, Pushed, TransferReport},
};

use super::{Handled, PUSH, errand::Errand};
use crate::world::{
    Archive,
    machines::{Ailment, State},
    rare::{PUSHED_OVER_BLOBS, PUSHED_UNHEARD},
};

/// Each step is tried so often, as by the real command.
const ATTEMPTS: u32 = 4;
/// Before the second try; twice as long before each one after it.
const BACKOFF: Duration = Duration::from_millis(250);

/// A push that is under way: the blobs go first, and then the manifest that names them.
#[derive(Default)]
pub(super) struct Push {
    /// The archive, once the registry has its blobs.
    sent: Option<Archive>,
    /// How often the present step was tried.
    tried: u32,
    /// How often the blobs were sent.
    uploads: u32,
}

/// What becomes of a transfer at an instant.
pub(super) enum Progress {
    /// It does the next thing after so long.
    GoesOn(Duration),
    /// It ends with this report.
    Ends(TransferReport),
    /// Its process is killed, and reports nothing.
    IsKilled,
}

impl Push {
    /// Whether the blobs are there and the manifest is not known to be.
    pub(super) fn is_halfway(&self) -> bool {
        self.sent.is_some()
    }

    /// Does the present step.
    pub(super) fn go_on(&mut self, state: &mut State, errand: &Errand) -> Progress {
        self.tried += 1;
        let done = match self.sent.clone() {
            None => self.send_blobs(state, errand),
            Some(_) if state.has(Ailment::CrashesTransfers) => return Progress::IsKilled,
            Some(archive) => self.send_manifest(state, errand, archive),
        };
        match done {
            Ok(progress) => progress,
            Err(error) if self.tried < ATTEMPTS && error.reason().is_temporary() => {
                Progress::GoesOn(BACKOFF * 2_u32.saturating_pow(self.tried - 1))
            }
            Err(error) => Progress::Ends(TransferReport::Error(error.failure())),
        }
    }

    /// Sends them whether or not they are there: the real command does not ask before.
    fn send_blobs(&mut self, state: &mut State, errand: &Errand) -> Result<Progress, TransferError> {
        let archive = archive(state, errand)?;
        self.uploads += 1;
        if state.has(Ailment::RegistryDown) {
            return Err(errand.unavailable(503, "Service Unavailable"));
        }
        if state.has(Ailment::RefusesPushes) {
            let (registry, why) =
                (errand.registry(), "requested access to the resource is denied".to_owned());
            return Err(TransferError::Forbidden { registry, why });
        }
        if state.has(Ailment::TruncatesPushes) {
            return Err(errand.unreachable("the connection broke during the upload"));
        }
        let are_new = state.images.take_blobs(&archive);
        state.reached.reach_if(!are_new, PUSHED_OVER_BLOBS);
        self.sent = Some(archive);
        self.tried = 0;
        Ok(Progress::GoesOn(PUSH / 2))
    }

    /// Sends it, and sees that it is there: the real command asks for it by its digest.
    fn send_manifest(
        &self,
        state: &mut State,
        errand: &Errand,
        archive: Archive,
    ) -> Result<Progress, TransferError> {
        if state.has(Ailment::RegistryDown) {
            return Err(errand.unavailable(503, "Service Unavailable"));
        }
        if state.has(Ailment::RefusesManifests) {
            return Err(errand.unavailable(500, "Internal Server Error"));
        }
        let (repository, tag) = destination(errand)?;
        let taken = state.images.take_manifest(repository, tag, archive.clone());
        let digest = taken.map_err(|_| TransferError::Rejected {
            registry: errand.registry(),
            status: Some(404),
            why: "MANIFEST_BLOB_UNKNOWN".to_owned(),
        })?;
        state.note_handling(&errand.job_pod, Handled::Pushed(tag.to_owned()), &archive.pod_uid);
        if state.has(Ailment::LosesPushAnswers) {
            state.reached.reach(PUSHED_UNHEARD);
            return Err(errand.unreachable("the connection broke before the answer"));
        }
        Ok(Progress::Ends(TransferReport::Pushed(Pushed {
            image: format!("{repository}@{digest}"),
            digest,
            bytes: archive.bytes,
            attempts: self.uploads,
            archive: ArchiveIdentity {
                container_id: archive.container_id,
                container_name: archive.container,
                pod_uid: Some(archive.pod_uid),
                base_image: archive.base_image,
                checkpointed_at: None,
            },
            duration_ms: 150,
        })))
    }
}

/// The archive to push, where it is the right one.
fn archive(state: &State, errand: &Errand) -> Result<Archive, TransferError> {
    destination(errand)?;
    let path = errand.value("--archive").unwrap_or_default();
    let Some(archive) = state.archives.get(&(errand.node.clone(), path.to_owned())) else {
        let why = format!("there is no such file on {}", errand.node);
        return Err(ArchiveError::Missing { path: path.into(), why }.into());
    };
    match errand.container_id("--expect-container-id") {
        Some(expected) if expected != archive.container_id => Err(ArchiveError::Mismatch {
            path: path.into(),
            what: "container id",
            found: archive.container_id.clone(),
            expected: expected.to_owned(),
        }
        .into()),
        _ => Ok(archive.clone()),
    }
}

/// Repository and tag.
fn destination(errand: &Errand) -> Result<(&str, &str), TransferError> {
    let named = errand.value("--image").and_then(|image| image.rsplit_once(':'));
    named.ok_or_else(|| TransferError::Options("--image REPOSITORY:TAG is missing".to_owned()))
}
