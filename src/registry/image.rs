//! The image that a container runtime restores from: the archive itself is its only layer.
//!
//! ```text
//!   manifest  application/vnd.oci.image.manifest.v1+json, annotated for containerd and CRI-O
//!     ├─ config  application/vnd.oci.image.config.v1+json, unlike any other checkpoint's
//!     └─ layer   application/vnd.oci.image.layer.v1.tar: the archive, byte by byte
//! ```
//!
//! It has no entry point and no command on purpose: a runtime that does not restore fails loudly, instead of
//! starting the image as an ordinary container.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::report::ArchiveIdentity;

/// Media type of the manifest. Runtimes look for the annotations on this type only.
pub const MANIFEST_MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the config.
pub const CONFIG_MEDIA_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of the layer: not compressed, because memory pages are read once and the pause counts.
pub const LAYER_MEDIA_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
/// Where containerd looks for the container's name.
pub const CONTAINERD_ANNOTATION: &str = "org.criu.checkpoint.container.name";
/// Where CRI-O looks for the container's name.
pub const CRIO_ANNOTATION: &str = "io.kubernetes.cri-o.annotations.checkpoint.name";

/// The specification's limit for manifests.
pub(super) const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// A blob that the registry has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: &'static str,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// How many bytes it has.
    pub size: u64,
}

/// Manifest and config of a checkpoint image. The same archive always gives the same bytes, so that a transfer that
/// is repeated after a crash yields the same image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointImage {
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// `sha256:…` of the manifest: the image's digest.
    pub manifest_digest: String,
    /// The config's bytes.
    pub config: Vec<u8>,
    /// `sha256:…` of the config.
    pub config_digest: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
    annotations: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct Config<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    architecture: &'static str,
    os: &'static str,
    #[serde(rename = "config")]
    runtime: ConfigLabels<'a>,
    rootfs: RootFs<'a>,
    history: [History; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigLabels<'a> {
    labels: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct RootFs<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: [&'a str; 1],
}

#[derive(Serialize)]
struct History {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    created_by: &'static str,
}

impl CheckpointImage {
    /// Composes the image of an archive that is `layer_bytes` long and has the digest `layer_digest`.
    ///
    /// CRI-O caches annotations by the config's digest: the layer's digest in `diff_ids` makes that one of a kind.
    pub fn compose(archive: &ArchiveIdentity, layer_digest: &str, layer_bytes: u64) -> Self {
        let created = archive.checkpointed_at.map(|at| at.to_string());
        let labels = BTreeMap::from([
            ("io.ms2m.checkpoint.base-image", archive.base_image.as_str()),
            ("io.ms2m.checkpoint.container-id", archive.container_id.as_str()),
        ]);
        let config = to_json(&Config {
            created: created.clone(),
            architecture: architecture(),
            os: "linux",
            runtime: ConfigLabels { labels },
            rootfs: RootFs { kind: "layers", diff_ids: [layer_digest] },
            history: [History { created, created_by: "ms2m transfer" }],
        });
        let config_digest = digest_of(&config);
        let name = archive.container_name.as_str();
        let manifest = to_json(&Manifest {
            schema_version: 2,
            media_type: MANIFEST_MEDIA_TYPE,
            config: Descriptor {
                media_type: CONFIG_MEDIA_TYPE,
                digest: config_digest.clone(),
                size: config.len() as u64,
            },
            layers: [Descriptor {
                media_type: LAYER_MEDIA_TYPE,
                digest: layer_digest.to_owned(),
                size: layer_bytes,
            }],
            annotations: BTreeMap::from([(CONTAINERD_ANNOTATION, name), (CRIO_ANNOTATION, name)]),
        });
        Self { manifest_digest: digest_of(&manifest), manifest, config_digest, config }
    }
}

/// `sha256:…` of some bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    digest_text(&Sha256::digest(bytes))
}

/// `sha256:…` of a finished hash.
pub(super) fn digest_text(hash: &[u8]) -> String {
    use std::fmt::Write as _;
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("string keys only")
}

/// The transfer runs on the node that took the checkpoint, so the node's architecture is this program's.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn identity() -> ArchiveIdentity {
        ArchiveIdentity {
            container_id: "5f1c".to_owned(),
            container_name: "counter".to_owned(),
            pod_uid: None,
            base_image: "registry.example.com/counter@sha256:cd".to_owned(),
            checkpointed_at: Some("2026-11-23T18:00:00.25Z".parse().expect("a time stamp")),
        }
    }

    fn parsed(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).expect("JSON")
    }

    #[test]
    fn is_what_both_runtimes_restore_from() {
        let image = CheckpointImage::compose(&identity(), "sha256:aa", 4096);
        let (manifest, config) = (parsed(&image.manifest), parsed(&image.config));
        assert_eq!(manifest["schemaVersion"], 2);
        assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
        assert_eq!(manifest["config"]["size"], image.config.len());
        assert_eq!(manifest["config"]["digest"], digest_of(&image.config));
        let layer = serde_json::json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:aa", "size": 4096
        });
        assert_eq!(manifest["layers"], serde_json::json!([layer]));
        assert_eq!(manifest["annotations"]["org.criu.checkpoint.container.name"], "counter");
        assert_eq!(manifest["annotations"]["io.kubernetes.cri-o.annotations.checkpoint.name"], "counter");
        assert_eq!(config["rootfs"], serde_json::json!({"type": "layers", "diff_ids": ["sha256:aa"]}));
        assert_eq!(config["os"], "linux");
        assert!(config["architecture"].is_string());
        assert!(config["config"].get("Entrypoint").is_none() && config["config"].get("Cmd").is_none());
    }

    #[test]
    fn the_same_archive_gives_the_same_image_and_another_one_does_not() {
        let first = CheckpointImage::compose(&identity(), "sha256:aa", 4096);
        assert_eq!(first, CheckpointImage::compose(&identity(), "sha256:aa", 4096));
        let second = CheckpointImage::compose(&identity(), "sha256:bb", 4096);
        assert_ne!(first.config_digest, second.config_digest);
        assert_ne!(first.manifest_digest, second.manifest_digest);
    }

    #[test]
    fn digests_are_written_as_registries_do() {
        assert_eq!(digest_of(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
