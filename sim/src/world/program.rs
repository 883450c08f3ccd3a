use std::{any::Any, future::Future, pin::Pin, sync::Arc};

use crate::kubelet::{ContainerSpec, Exit};

/// A copy of a process's whole RAM: what CRIU's pages are on a real node.
pub type Snapshot = Arc<dyn Any + Send + Sync>;

/// A program that an image holds.
pub trait Program: Send + Sync {
    /// Starts it in a container, from nothing or from a snapshot of a process of this program.
    fn launch(&self, spec: &ContainerSpec, restored: Option<Snapshot>) -> Launch;
}

/// A process that is about to run.
pub struct Launch {
    /// Its RAM, which outlives the process only as a snapshot.
    pub memory: Box<dyn Memory>,
    /// Runs it on a host of its own, until it exits by itself.
    pub main: Main,
}

/// Makes a process's future on the host that runs it.
pub type Main = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Exit>>> + Send>;

/// The RAM of a process.
pub trait Memory: Send {
    /// Copies it, at one instant, in-flight buffers included.
    fn snapshot(&self) -> Snapshot;

    /// As what the program knows it to be.
    fn as_any(&self) -> &dyn Any;
}
