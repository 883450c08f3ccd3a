use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::json;

use super::{
    digest,
    manifests::Manifest,
    refusal::{Code, Refusal},
    settings::{Deletion, Settings},
    uploads::Uploads,
};

/// Everything that a registry knows. It outlives the host that serves it, as a disk does.
#[derive(Clone, Debug, Default)]
pub struct Store {
    settings: Settings,
    /// What the repositories' blobs are, by digest.
    contents: BTreeMap<String, Bytes>,
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) uploads: Uploads,
}

/// What a repository has.
#[derive(Clone, Debug, Default)]
pub(super) struct Repository {
    blobs: BTreeSet<String>,
    pub(super) manifests: BTreeMap<String, Manifest>,
    pub(super) tags: BTreeMap<String, String>,
    /// It has had tags, and is known to those who ask for them.
    pub(super) has_had_tags: bool,
}

/// What the simulation knows without asking over the network.
impl Store {
    /// An empty one.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// How it is set.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Digest and bytes of a manifest, by tag or by digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Bytes)> {
        let (digest, manifest) = self.find_manifest(repository, reference)?;
        Some((digest.to_owned(), manifest.bytes.clone()))
    }

    /// A blob that some repository has.
    pub fn blob(&self, digest: &str) -> Option<Bytes> {
        self.contents.get(digest).cloned()
    }

    /// Every blob that some repository has, by digest.
    pub fn blobs(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.contents.iter().map(|(digest, bytes)| (digest.as_str(), bytes))
    }

    /// Every manifest: repository, digest and bytes.
    pub fn manifests(&self) -> impl Iterator<Item = (&str, &str, &Bytes)> {
        self.repositories.iter().flat_map(|(name, repository)| {
            let manifests = repository.manifests.iter();
            manifests.map(move |(digest, manifest)| (name.as_str(), digest.as_str(), &manifest.bytes))
        })
    }

    /// The tags that a manifest has.
    pub fn tags_of(&self, repository: &str, digest: &str) -> impl Iterator<Item = &str> {
        let tags = self.repositories.get(repository).into_iter().flat_map(|repository| &repository.tags);
        tags.filter(move |(_, tagged)| *tagged == digest).map(|(tag, _)| tag.as_str())
    }

    /// Uploads that were started and neither finished nor cancelled.
    pub fn uploads_under_way(&self) -> usize {
        self.uploads.count()
    }
}

/// What clients ask for.
impl Store {
    /// Whether a repository has a blob; another's is not its own.
    pub(super) fn has_blob(&self, repository: &str, digest: &str) -> bool {
        self.repositories.get(repository).is_some_and(|repository| repository.blobs.contains(digest))
    }

    pub(super) fn read_blob(&self, repository: &str, digest: &str) -> Result<Bytes, Refusal> {
        if !digest::is_valid(digest) {
            return Err(Code::DigestInvalid.into());
        }
        let found = self.has_blob(repository, digest).then(|| self.blob(digest)).flatten();
        found.ok_or_else(|| Refusal::with(Code::BlobUnknown, json!(digest)))
    }

    pub(super) fn keep_blob(&mut self, repository: &str, bytes: Bytes) -> String {
        let digest = digest::digest_of(&bytes);
        self.contents.insert(digest.clone(), bytes);
        self.repositories.entry(repository.to_owned()).or_default().blobs.insert(digest.clone());
        digest
    }

    /// Lets a repository have what another has; false where that has it not.
    pub(super) fn mount_blob(&mut self, repository: &str, from: &str, digest: &str) -> bool {
        let found = self.has_blob(from, digest);
        if found {
            self.repositories.entry(repository.to_owned()).or_default().blobs.insert(digest.to_owned());
        }
        found
    }

    /// Manifests that refer to it stay, and are broken.
    pub(super) fn delete_blob(&mut self, repository: &str, digest: &str) -> Result<(), Refusal> {
        if self.settings.deletion != Deletion::All {
            return Err(Code::Unsupported.into());
        }
        if !digest::is_valid(digest) {
            return Err(Code::DigestInvalid.into());
        }
        let repository = self.repositories.get_mut(repository);
        if !repository.is_some_and(|repository| repository.blobs.remove(digest)) {
            return Err(Code::BlobUnknown.into());
        }
        if !self.repositories.values().any(|repository| repository.blobs.contains(digest)) {
            self.contents.remove(digest);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &mut Store, repository: &str, tag: &str, layer: &str) -> String {
        let blobs = ["{}", layer].map(|blob| store.keep_blob(repository, blob.to_owned().into()));
        let [config, layer] = blobs.map(|digest| json!({ "digest": digest }));
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] }).to_string();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        store.put_manifest(repository, tag, media_type, manifest.into()).unwrap()
    }

    #[test]
    fn manifests_are_found_by_tag_and_by_digest() {
        let mut store = Store::default();
        let digest = put(&mut store, "a", "v1", "layer");
        let by_tag = store.manifest("a", "v1").unwrap();
        assert_eq!(by_tag.0, digest);
        assert_eq!(store.manifest("a", &digest), Some(by_tag));
        assert_eq!(store.manifest("b", "v1"), None);
    }

    #[test]
    fn manifests_and_tags_of_every_repository_are_listed_in_order() {
        let mut store = Store::default();
        let second = put(&mut store, "b", "v1", "layer");
        let first = put(&mut store, "a", "v2", "layer");
        put(&mut store, "a", "v1", "layer");
        let listed: Vec<_> = store.manifests().map(|(repository, digest, _)| (repository, digest)).collect();
        assert_eq!(listed, [("a", first.as_str()), ("b", second.as_str())]);
        assert_eq!(store.tags_of("a", &first).collect::<Vec<_>>(), ["v1", "v2"]);
    }

    #[test]
    fn a_blob_is_there_until_no_repository_has_it() {
        let mut store = Store::default();
        let digest = store.keep_blob("a", "blob".into());
        assert!(store.mount_blob("b", "a", &digest));
        assert!(!store.mount_blob("c", "nowhere", &digest));
        store.delete_blob("a", &digest).unwrap();
        assert_eq!(store.blob(&digest), Some("blob".into()));
        store.delete_blob("b", &digest).unwrap();
        assert_eq!(store.blob(&digest), None);
        assert_eq!(store.delete_blob("b", &digest).unwrap_err().status, 404);
    }

    #[test]
    fn sessions_have_names_that_do_not_depend_on_chance() {
        let mut store = Store::default();
        let (one, other) = (store.start_upload("a"), store.start_upload("a"));
        assert_eq!(one.id, "00000000-0000-4000-8000-000000000001");
        assert_eq!(other.id, "00000000-0000-4000-8000-000000000002");
        assert_eq!(one.location(), Store::default().start_upload("a").location());
        store.cancel_upload(&one);
        assert_eq!(store.uploads_under_way(), 1);
    }
}
