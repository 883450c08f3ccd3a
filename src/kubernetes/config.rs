//! Where the cluster is, and who the operator is there.

use std::path::Path;

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Why the cluster's address and credentials cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is named, but cannot be used.
    #[error("--kubeconfig {path}: {why}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: kube::config::KubeconfigError,
    },
    /// Nothing is named, and there is nothing at the usual places.
    #[error("no cluster to talk to: run in a pod, set KUBECONFIG, or give --kubeconfig ({0})")]
    NotFound(#[from] kube::config::InferConfigError),
}

/// The cluster from a kubeconfig file; without one from the pod that this runs in, `KUBECONFIG` or `~/.kube/config`.
pub async fn load(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, ConfigError> {
    let Some(path) = kubeconfig else { return Ok(Config::infer().await?) };
    let unusable = |why| ConfigError::Kubeconfig { path: path.display().to_string(), why };
    let file = Kubeconfig::read_from(path).map_err(unusable)?;
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
    Config::from_custom_kubeconfig(file, &options).await.map_err(unusable)
}
