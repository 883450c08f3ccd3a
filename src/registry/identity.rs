//! Whose checkpoint an archive is: read from `config.dump` and `spec.dump`, never from the file's name.
//!
//! Names of pods and namespaces may contain the `-` that separates them in the file's name, and the file's name has
//! a resolution of one second. What is inside was written by the runtime about the container it dumped.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::report::ArchiveIdentity;

/// Name of the container, by runtime: containerd, CRI-O.
const CONTAINER_NAME: [&str; 2] = ["io.kubernetes.cri.container-name", "io.kubernetes.container.name"];
/// UID of the pod, by runtime: containerd, CRI-O.
const POD_UID: [&str; 2] = ["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"];

/// Why the two files do not say whose checkpoint this is.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    /// Not the JSON that a runtime writes.
    #[error("its {member} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        member: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Neither file names the container.
    #[error("its config.dump and spec.dump do not say which container it is of")]
    Nameless,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigDump {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    rootfs_image_ref: String,
    #[serde(default)]
    rootfs_image_name: String,
    #[serde(default)]
    checkpointed_time: Option<Timestamp>,
}

#[derive(Deserialize)]
struct SpecDump {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Reads the two files.
pub(super) fn identify(config_dump: &[u8], spec_dump: &[u8]) -> Result<ArchiveIdentity, IdentityError> {
    let unreadable = |member| move |source| IdentityError::Unreadable { member, source };
    let config: ConfigDump = serde_json::from_slice(config_dump).map_err(unreadable("config.dump"))?;
    let spec: SpecDump = serde_json::from_slice(spec_dump).map_err(unreadable("spec.dump"))?;
    let annotated = |keys: [&str; 2]| keys.iter().find_map(|key| spec.annotations.get(*key)).cloned();
    let parts = NameParts::of(&config.name);
    let container_name = annotated(CONTAINER_NAME).or(parts.container).filter(|name| !name.is_empty());
    let container_name = container_name.filter(|_| !config.id.is_empty()).ok_or(IdentityError::Nameless)?;
    let references = [config.rootfs_image_ref, config.rootfs_image_name];
    Ok(ArchiveIdentity {
        container_id: config.id,
        container_name,
        pod_uid: annotated(POD_UID).or(parts.pod_uid),
        base_image: references.into_iter().find(|reference| !reference.is_empty()).unwrap_or_default(),
        checkpointed_at: config.checkpointed_time,
    })
}

/// The runtime's own name of a container, `CONTAINER_POD_NAMESPACE_UID_ATTEMPT`, with `k8s_` before it in CRI-O.
/// Kubernetes' names have no `_`, so taking it apart is safe, unlike the archive's file name.
struct NameParts {
    container: Option<String>,
    pod_uid: Option<String>,
}

impl NameParts {
    fn of(name: &str) -> Self {
        let parts: Vec<&str> = name.strip_prefix("k8s_").unwrap_or(name).split('_').collect();
        match parts[..] {
            [container, _, _, uid, _] => {
                Self { container: Some(container.to_owned()), pod_uid: Some(uid.to_owned()) }
            }
            [container] => Self { container: Some(container.to_owned()), pod_uid: None },
            _ => Self { container: None, pod_uid: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINERD: &str = r#"{"id":"5f1c","name":"my-counter_a-b_team-x_0a1b-2c_0","rootfsImage":"sha256:aa",
        "rootfsImageRef":"registry.example.com/counter@sha256:cd","rootfsImageName":"registry.example.com/counter:1",
        "runtime":"io.containerd.runc.v2","createdTime":"2026-11-23T17:59:00Z",
        "checkpointedTime":"2026-11-23T18:00:00.123456789Z","restoredTime":"0001-01-01T00:00:00Z","restored":false}"#;

    #[test]
    fn annotations_come_before_the_name() {
        let spec = r#"{"ociVersion":"1.2.0","annotations":{"io.kubernetes.cri.container-name":"my-counter",
            "io.kubernetes.cri.sandbox-uid":"11111111-2222"}}"#;
        let identity = identify(CONTAINERD.as_bytes(), spec.as_bytes()).expect("an identity");
        assert_eq!(
            identity,
            ArchiveIdentity {
                container_id: "5f1c".to_owned(),
                container_name: "my-counter".to_owned(),
                pod_uid: Some("11111111-2222".to_owned()),
                base_image: "registry.example.com/counter@sha256:cd".to_owned(),
                checkpointed_at: Some("2026-11-23T18:00:00.123456789Z".parse().expect("a time stamp")),
            }
        );
    }

    #[test]
    fn the_runtimes_name_is_enough_where_annotations_are_missing() {
        let identity = identify(CONTAINERD.as_bytes(), b"{}").expect("an identity");
        assert_eq!(identity.container_name, "my-counter");
        assert_eq!(identity.pod_uid.as_deref(), Some("0a1b-2c"));
    }

    #[test]
    fn cri_o_says_it_in_its_own_words() {
        let config =
            r#"{"id":"9e","name":"k8s_counter_pod-0_default_uid-7_2","rootfsImageName":"quay.io/x:1"}"#;
        let spec =
            r#"{"annotations":{"io.kubernetes.container.name":"counter","io.kubernetes.pod.uid":"uid-8"}}"#;
        let identity = identify(config.as_bytes(), spec.as_bytes()).expect("an identity");
        assert_eq!(
            (identity.container_name.as_str(), identity.pod_uid.as_deref()),
            ("counter", Some("uid-8"))
        );
        assert_eq!(identity.base_image, "quay.io/x:1");
        let unannotated = identify(config.as_bytes(), b"{}").expect("an identity");
        assert_eq!(unannotated.pod_uid.as_deref(), Some("uid-7"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = identify(b"{\"id\":", b"{}").expect_err("half a file");
        assert!(error.to_string().contains("config.dump"), "{error}");
        let error = identify(br#"{"id":"x","name":"a_b"}"#, b"{}").expect_err("no name");
        assert!(matches!(error, IdentityError::Nameless), "{error}");
        let error = identify(br#"{"id":"","name":"a"}"#, b"{}").expect_err("no id");
        assert!(matches!(error, IdentityError::Nameless), "{error}");
    }
}
