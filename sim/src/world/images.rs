use super::{Archive, State};
use crate::registry::Store;

/// A checkpoint image that the registry serves.
#[derive(Clone, Debug)]
pub struct CheckpointImage {
    /// Digest of its manifest.
    pub digest: String,
    /// The tags that point to it.
    pub tags: Vec<String>,
    /// What it was made from.
    pub archive: Archive,
}

impl State {
    /// Every checkpoint image that the registry serves, whole: what it is of is known by its layer.
    pub fn checkpoint_images(&self) -> Vec<CheckpointImage> {
        let store = self.registry();
        let images = store.manifests().filter_map(|(repository, digest, manifest)| {
            let archive = self.checkpoints.get(&layer_of(manifest)?)?.clone();
            let tags = store.tags_of(repository, digest).map(str::to_owned).collect();
            Some(CheckpointImage { digest: digest.to_owned(), tags, archive })
        });
        images.collect()
    }

    /// The one of that digest.
    pub fn checkpoint_image(&self, digest: &str) -> Option<CheckpointImage> {
        self.checkpoint_images().into_iter().find(|image| image.digest == digest)
    }

    /// What an image in a repository is made from, by tag or digest.
    pub(super) fn checkpoint_of(&self, store: &Store, repository: &str, named: &str) -> Option<Archive> {
        let (_, manifest) = store.manifest(repository, named)?;
        self.checkpoints.get(&layer_of(&manifest)?).cloned()
    }
}

/// Digest of a manifest's first layer.
pub(super) fn layer_of(manifest: &[u8]) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).ok()?;
    manifest["layers"][0]["digest"].as_str().map(str::to_owned)
}
