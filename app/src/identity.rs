use std::{io, path::PathBuf};

use async_trait::async_trait;

/// Environment variable with the path of the identity file.
pub const ENV_POD_UID_FILE: &str = "MS2M_POD_UID_FILE";
/// Where the identity file is when the variable is not set.
pub const DEFAULT_POD_UID_FILE: &str = "/etc/ms2m/pod-uid";

/// Tells a process which pod it is in.
///
/// Asked at every connect, because a restored process is a copy: its environment, its host name and everything that it
/// remembers are the source's. What the new pod mounts is not.
#[async_trait]
pub trait IdentitySource: Send + Sync + 'static {
    /// UID of the pod.
    async fn pod_uid(&self) -> io::Result<String>;
}

/// The identity file: the pod's UID by the downward API (`metadata.uid`).
#[derive(Clone, Debug)]
pub struct IdentityFile(PathBuf);

impl IdentityFile {
    /// The file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The file that [`ENV_POD_UID_FILE`] names, or the default one.
    pub fn from_env() -> Self {
        Self(std::env::var_os(ENV_POD_UID_FILE).map_or_else(|| DEFAULT_POD_UID_FILE.into(), PathBuf::from))
    }
}

#[async_trait]
impl IdentitySource for IdentityFile {
    async fn pod_uid(&self) -> io::Result<String> {
        // A few bytes of a file in memory: reading it blocks for less than handing it to another thread would.
        let uid = std::fs::read_to_string(&self.0).map_err(|error| {
            io::Error::new(error.kind(), format!("identity file {}: {error}", self.0.display()))
        })?;
        let uid = uid.trim();
        if uid.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is empty", self.0.display())));
        }
        Ok(uid.to_owned())
    }
}
