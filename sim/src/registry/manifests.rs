use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    digest,
    refusal::{Code, Refusal},
    settings::Deletion,
    store::Store,
};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The specification's limit.
const BYTES_MAX: usize = 4 << 20;

/// A manifest as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

impl Store {
    pub(super) fn find_manifest(&self, repository: &str, reference: &str) -> Option<(&str, &Manifest)> {
        let repository = self.repositories.get(repository)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        let (digest, manifest) = repository.manifests.get_key_value(digest)?;
        Some((digest, manifest))
    }

    /// Digest and manifest, for a client that accepts these media types, which is one header or several.
    pub(super) fn read_manifest(
        &self,
        repository: &str,
        reference: &str,
        accepted: &str,
    ) -> Result<(&str, &Manifest), Refusal> {
        let (digest, manifest) = self.find_manifest(repository, reference).ok_or_else(|| {
            let detail = if digest::is_digest_like(reference) {
                json!({ "Name": repository, "Revision": reference })
            } else {
                json!({ "Tag": reference })
            };
            Refusal::with(Code::ManifestUnknown, detail)
        })?;
        let is_accepted = accepted.split(',').any(|accepted| bare(accepted) == manifest.media_type);
        match manifest.media_type {
            OCI_MANIFEST if !is_accepted => Err(Refusal::with_message(
                Code::ManifestUnknown,
                "OCI manifest found, but accept header does not support OCI manifests",
            )),
            OCI_INDEX if !is_accepted => Err(Refusal::with_message(
                Code::ManifestUnknown,
                "OCI index found, but accept header does not support OCI indexes",
            )),
            _ => Ok((digest, manifest)),
        }
    }

    /// Stores a manifest under its digest, and under its tag where the reference is one. Returns the digest.
    pub(super) fn put_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<String, Refusal> {
        let (media_type, content) = decode(media_type, &bytes)?;
        let digest = digest::digest_of(&bytes);
        let is_tag = !digest::is_digest_like(reference);
        if !is_tag && reference != digest {
            return Err(Code::DigestInvalid.into());
        }
        self.check_references(repository, &content)?;
        let repository = self.repositories.entry(repository.to_owned()).or_default();
        repository.manifests.insert(digest.clone(), Manifest { media_type, bytes });
        if is_tag {
            repository.has_had_tags = true;
            repository.tags.insert(reference.to_owned(), digest.clone());
        }
        Ok(digest)
    }

    /// Everything that a manifest refers to is in its repository.
    fn check_references(&self, repository: &str, content: &Content) -> Result<(), Refusal> {
        let blobs = content.config.iter().chain(&content.layers).map(|blob| &blob.digest);
        let blobs = blobs.filter(|digest| !self.has_blob(repository, digest));
        let manifests = content.manifests.iter().map(|manifest| &manifest.digest);
        let manifests = manifests.filter(|digest| self.find_manifest(repository, digest).is_none());
        let unknown: Vec<Value> = blobs.chain(manifests).map(|digest| json!(digest)).collect();
        Refusal::for_each(Code::ManifestBlobUnknown, unknown).map_or(Ok(()), Err)
    }

    /// Deletes a manifest with its tags. By tag nothing is deleted.
    pub(super) fn delete_manifest(&mut self, repository: &str, reference: &str) -> Result<(), Refusal> {
        if self.settings().deletion == Deletion::Nothing {
            return Err(Code::Unsupported.into());
        }
        if !digest::is_valid(reference) {
            return Err(Code::DigestInvalid.into());
        }
        let repository = self.repositories.get_mut(repository).ok_or(Code::ManifestUnknown)?;
        repository.manifests.remove(reference).ok_or(Code::ManifestUnknown)?;
        repository.tags.retain(|_, tagged| tagged != reference);
        Ok(())
    }

    pub(super) fn list_tags(&self, repository: &str) -> Result<Vec<&str>, Refusal> {
        let known = self.repositories.get(repository).filter(|repository| repository.has_had_tags);
        let known = known.ok_or_else(|| Refusal::with(Code::NameUnknown, json!({ "name": repository })))?;
        Ok(known.tags.keys().map(String::as_str).collect())
    }
}

/// What a manifest refers to, if it is one of the type that the client says.
fn decode(said: &str, bytes: &[u8]) -> Result<(&'static str, Content), Refusal> {
    let invalid = |why: &str| Refusal::with(Code::ManifestInvalid, json!(why));
    if bytes.len() > BYTES_MAX {
        return Err(invalid("http: request body too large"));
    }
    let known = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];
    let media_type = known.into_iter().find(|known| *known == bare(said));
    let media_type = media_type.ok_or_else(|| invalid("unsupported manifest media type"))?;
    let content: Content = serde_json::from_slice(bytes).map_err(|error| invalid(&error.to_string()))?;
    let is_list = matches!(media_type, OCI_INDEX | DOCKER_LIST);
    let is_other = content.media_type.as_deref().is_some_and(|inside| inside != media_type);
    if content.schema_version != 2 || is_other {
        return Err(invalid("not a manifest of its media type"));
    }
    let is_mixed = if is_list { content.config.is_some() } else { !content.manifests.is_empty() };
    if is_mixed {
        return Err(invalid("neither a manifest nor a list of them"));
    }
    let has_config = content.config.as_ref().is_some_and(|config| !config.digest.is_empty());
    if !is_list && !has_config {
        return Err(Code::DigestInvalid.into());
    }
    Ok((media_type, content))
}

/// A media type without its parameters.
fn bare(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}
