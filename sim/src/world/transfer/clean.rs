use ms2m::registry::report::{Cleaned, ImageDeletion, TransferReport};

use super::{Handled, errand::Errand};
use crate::world::{
    Archive, Image,
    machines::{Ailment, State},
};

/// Deletes archives and image. The archives first: a registry that fails does not keep them on the node.
pub(super) fn clean(state: &mut State, errand: &Errand) -> TransferReport {
    let archives_deleted = delete_archives(state, errand);
    let image = errand.value("--image").filter(|_| errand.has("--delete"));
    if image.is_some() && state.has(Ailment::RegistryDown) {
        return TransferReport::Error(errand.unavailable(503, "Service Unavailable").failure());
    }
    let image = image.map(|image| delete_image(state, errand, image));
    TransferReport::Cleaned(Cleaned { image, archives_deleted, ..Cleaned::default() })
}

fn delete_archives(state: &mut State, errand: &Errand) -> u32 {
    let container_id = errand.container_id("--container-id").filter(|_| errand.has("--delete-archives"));
    let Some(container_id) = container_id else { return 0 };
    let is_meant = |(at, _): &(String, String), archive: &Archive| {
        *at == errand.node && archive.container_id == container_id
    };
    let meant = state.archives.extract_if(.., |place, archive| is_meant(place, archive));
    let gone: Vec<Archive> = meant.map(|(_, archive)| archive).collect();
    for archive in &gone {
        state.note_handling(&errand.job_pod, Handled::ArchiveDeleted, &archive.pod_uid);
    }
    u32::try_from(gone.len()).unwrap_or(u32::MAX)
}

fn delete_image(state: &mut State, errand: &Errand, image: &str) -> ImageDeletion {
    if let Some(Image::Checkpoint(archive)) = state.images.pull(image) {
        state.note_handling(&errand.job_pod, Handled::ImageDeleted, &archive.pod_uid);
    }
    if state.images.delete(image) { ImageDeletion::Deleted } else { ImageDeletion::AlreadyGone }
}
