use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Container, Snapshot};

/// A checkpoint archive on a node's disk.
#[derive(Clone)]
pub struct Archive {
    /// The runtime's id of the container it was taken of.
    pub container_id: String,
    /// That container's name.
    pub container: String,
    /// UID of its pod.
    pub pod_uid: String,
    /// The base image, which a restore pulls again.
    pub base_image: String,
    /// Which checkpoint of the whole run it is; makes the content unique.
    pub serial: u64,
    /// The file: what a runtime writes, but for the pages.
    pub content: Bytes,
    /// The RAM.
    pub snapshot: Snapshot,
}

impl Archive {
    /// What a runtime writes of a container; `serial` is of this checkpoint alone.
    pub fn of(container_id: &str, container: &Container, serial: u64) -> Self {
        let mut archive = Self {
            container_id: container_id.to_owned(),
            container: container.container.clone(),
            pod_uid: container.pod_uid.clone(),
            base_image: container.base_image.clone(),
            serial,
            content: Bytes::new(),
            snapshot: container.memory.snapshot(),
        };
        archive.content = archive.file();
        archive
    }

    /// Digest of the file: of the only layer of an image that is made from it.
    pub fn digest(&self) -> String {
        format!("sha256:{:x}", Sha256::digest(&self.content))
    }

    /// As containerd writes it; see `ms2m::registry::archive` for what is looked at.
    fn file(&self) -> Bytes {
        let config = serde_json::json!({
            "id": self.container_id,
            "name": format!("{}_pod_default_{}_0", self.container, self.pod_uid),
            "rootfsImageName": self.base_image,
        });
        let spec = serde_json::json!({ "annotations": {
            "io.kubernetes.cri.container-name": self.container,
            "io.kubernetes.cri.sandbox-uid": self.pod_uid,
        } });
        let pages = format!("checkpoint {}", self.serial);
        let mut tar = tar::Builder::new(Vec::new());
        for (path, data) in [
            ("checkpoint/pages-1.img", pages.as_str()),
            ("checkpoint/inventory.img", "inventory"),
            ("config.dump", &config.to_string()),
            ("spec.dump", &spec.to_string()),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(data.len() as u64);
            header.set_mode(0o600);
            header.set_entry_type(tar::EntryType::Regular);
            tar.append_data(&mut header, path, data.as_bytes()).expect("memory takes everything");
        }
        tar.into_inner().expect("memory takes everything").into()
    }

    /// One for tests, of a process without RAM.
    #[cfg(test)]
    pub(super) fn sample() -> Self {
        let mut archive = Self {
            container_id: "c0001-counter".to_owned(),
            container: "counter".to_owned(),
            pod_uid: "pod-uid".to_owned(),
            base_image: "counter:1".to_owned(),
            serial: 1,
            content: Bytes::new(),
            snapshot: std::sync::Arc::new(()),
        };
        archive.content = archive.file();
        archive
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint {} of container {}", self.serial, self.container_id)
    }
}
