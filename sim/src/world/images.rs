use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Archive, Program};

/// The registry, and what every node can pull from it.
///
/// As one that deletes no blob when asked, but collects those that no manifest names at a time of its own: they are left over
/// from nothing, and are never collected here.
#[derive(Default)]
pub struct Images {
    /// What each manifest is of, by its digest. Without its manifest there is no image.
    by_digest: BTreeMap<String, Image>,
    tags: BTreeMap<String, String>,
    /// Checkpoint images of which layer and config are there, by the digest that the manifest has or would have.
    blobs: BTreeSet<String>,
}

/// A manifest is refused whose blobs are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobUnknown;

/// What an image holds.
#[derive(Clone)]
pub enum Image {
    /// A program that starts from nothing.
    Program(Arc<dyn Program>),
    /// A checkpoint; starting it goes on where it was taken.
    Checkpoint(Archive),
}

impl Images {
    /// Makes a program pullable by `reference`.
    pub fn add_program(&mut self, reference: &str, program: Arc<dyn Program>) {
        let digest = format!("program:{reference}");
        self.by_digest.insert(digest.clone(), Image::Program(program));
        self.tags.insert(reference.to_owned(), digest);
    }

    /// Takes a checkpoint's layer and config; false when they were there already, which changes nothing.
    pub fn take_blobs(&mut self, archive: &Archive) -> bool {
        self.blobs.insert(archive.digest())
    }

    /// Takes a checkpoint's manifest as `repository:tag`; the digest names its content. Doing it again changes nothing.
    pub fn take_manifest(
        &mut self,
        repository: &str,
        tag: &str,
        archive: Archive,
    ) -> Result<String, BlobUnknown> {
        let digest = archive.digest();
        if !self.blobs.contains(&digest) {
            return Err(BlobUnknown);
        }
        self.tags.insert(format!("{repository}:{tag}"), digest.clone());
        self.by_digest.insert(digest.clone(), Image::Checkpoint(archive));
        Ok(digest)
    }

    /// Deletes a checkpoint's manifest by `repository@digest` or `repository:tag`; false when there is none. Its blobs stay.
    pub fn delete(&mut self, reference: &str) -> bool {
        let Some(digest) = self.digest_of(reference) else { return false };
        self.tags.retain(|_, tagged| *tagged != digest);
        self.by_digest.remove(&digest).is_some()
    }

    /// Pulls.
    pub fn pull(&self, reference: &str) -> Option<Image> {
        self.by_digest.get(&self.digest_of(reference)?).cloned()
    }

    /// Every checkpoint that it holds, by digest.
    pub fn checkpoints(&self) -> impl Iterator<Item = (&str, &Archive)> {
        self.by_digest.iter().filter_map(|(digest, image)| match image {
            Image::Checkpoint(archive) => Some((digest.as_str(), archive)),
            Image::Program(_) => None,
        })
    }

    /// The names, `repository:tag`, by which an image can be pulled.
    pub fn tags_of(&self, digest: &str) -> impl Iterator<Item = &str> {
        self.tags.iter().filter(move |(_, tagged)| *tagged == digest).map(|(tag, _)| tag.as_str())
    }

    fn digest_of(&self, reference: &str) -> Option<String> {
        match reference.split_once('@') {
            Some((_, digest)) => Some(digest.to_owned()),
            None => self.tags.get(reference).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPOSITORY: &str = "registry:5000/checkpoints";
    const TAGGED: &str = "registry:5000/checkpoints:ms2m-uid";

    #[test]
    fn blobs_are_no_image_and_a_manifest_without_them_is_refused() {
        let (mut images, archive) = (Images::default(), Archive::sample());
        let taken = images.take_manifest(REPOSITORY, "ms2m-uid", archive.clone());
        assert_eq!(taken, Err(BlobUnknown));
        assert!(images.take_blobs(&archive));
        assert!(images.pull(TAGGED).is_none() && images.checkpoints().count() == 0);
        let digest = images.take_manifest(REPOSITORY, "ms2m-uid", archive).unwrap();
        assert!(images.pull(TAGGED).is_some() && images.pull(&format!("{REPOSITORY}@{digest}")).is_some());
    }

    #[test]
    fn deleting_an_image_leaves_its_blobs_for_the_next_push_of_the_same() {
        let (mut images, archive) = (Images::default(), Archive::sample());
        images.take_blobs(&archive);
        let digest = images.take_manifest(REPOSITORY, "ms2m-uid", archive.clone()).unwrap();
        assert!(images.delete(TAGGED) && !images.delete(TAGGED));
        assert!(images.pull(&format!("{REPOSITORY}@{digest}")).is_none());
        assert!(!images.take_blobs(&archive), "they are there");
        assert_eq!(images.take_manifest(REPOSITORY, "ms2m-uid", archive), Ok(digest));
    }
}
