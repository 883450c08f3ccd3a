use std::fmt;

use sha2::{Digest, Sha256};

use super::Snapshot;

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
    /// Size.
    pub bytes: u64,
    /// The RAM.
    pub snapshot: Snapshot,
}

impl Archive {
    /// Digest of the image that is made from it.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.container_id);
        hash.update(self.serial.to_be_bytes());
        format!("sha256:{:x}", hash.finalize())
    }

    /// One for tests, of a process without RAM.
    #[cfg(test)]
    pub(super) fn sample() -> Self {
        Self {
            container_id: "c0001-counter".to_owned(),
            container: "counter".to_owned(),
            pod_uid: "pod-uid".to_owned(),
            base_image: "counter:1".to_owned(),
            serial: 1,
            bytes: 8_600_000,
            snapshot: std::sync::Arc::new(()),
        }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint {} of container {}", self.serial, self.container_id)
    }
}
