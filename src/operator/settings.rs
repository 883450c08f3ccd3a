use std::time::Duration;

use crate::protocol::Intervals;

/// Everything that can be set, resolved.
#[derive(Clone)]
pub struct Settings {
    /// The one namespace that is looked after; all where there is none.
    pub namespace: Option<String>,
    /// How kubelets are asked for checkpoints.
    pub kubelet: KubeletAccess,
    /// Image that has `ms2m`, for transfer Jobs whose migration names none: the operator's own.
    pub transfer_image: String,
    /// What else a migration may name as `spec.transfer.image`: whole images, or what they begin with, where that ends in `/`, `:` or `@`.
    pub permitted_transfer_images: Vec<String>,
    /// Folder of the nodes into which kubelets write checkpoints.
    pub checkpoint_dir: String,
    /// How many migrations are worked on at the same moment.
    pub concurrency: u16,
    /// How long any one call to a broker may take.
    pub broker_deadline: Duration,
    /// Who this is, in events and in the Lease: the pod's name. No two that run may have the same.
    pub instance: String,
    /// Where the Lease is by which one of several operators works; the namespace of the cluster's configuration where there is none.
    pub lease_namespace: Option<String>,
    /// How soon a migration's steps are repeated. The program has no flag for it: these are what was measured and tested
    /// together. A simulation turns them, so that nothing comes to depend on them.
    pub intervals: Intervals,
}

/// How kubelets are asked for checkpoints.
#[derive(Clone)]
pub enum KubeletAccess {
    /// Through the API server's node proxy.
    Proxy,
    /// Directly; scheme, credentials and trust are this configuration's, host and port each node's own.
    Direct(Box<kube::Config>),
}

/// Where kubelets write checkpoints unless they were told otherwise.
pub(super) const CHECKPOINT_DIR: &str = "/var/lib/kubelet/checkpoints";

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: None,
            kubelet: KubeletAccess::Proxy,
            transfer_image: "ms2m:latest".to_owned(),
            permitted_transfer_images: Vec::new(),
            checkpoint_dir: CHECKPOINT_DIR.to_owned(),
            concurrency: 16,
            broker_deadline: Duration::from_secs(5),
            instance: "ms2m-operator".to_owned(),
            lease_namespace: None,
            intervals: Intervals::default(),
        }
    }
}
