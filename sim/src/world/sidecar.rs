use std::{any::Any, sync::Arc};

use super::{Launch, Memory, Program, Snapshot};
use crate::kubelet::ContainerSpec;

/// Name of the container that a pod may have beside the one that is moved.
pub(super) const SIDECAR: &str = "sidecar";
/// Its image.
pub(super) const SIDECAR_IMAGE: &str = "registry:5000/sidecar:1";

/// A program that has no state, knows of no migration, and runs until it is killed.
pub(super) struct Sidecar;

impl Program for Sidecar {
    fn launch(&self, _spec: &ContainerSpec, _restored: Option<Snapshot>) -> Launch {
        Launch { memory: Box::new(Nothing), main: Box::new(|| Box::pin(std::future::pending())) }
    }
}

struct Nothing;

impl Memory for Nothing {
    fn snapshot(&self) -> Snapshot {
        Arc::new(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
