//! A kubelet: pods of one node, Jobs' pods among them, and the checkpoint API, over a container [`Runtime`].
//!
//! The same code runs in the simulation, where a container is a simulated host, and on one machine, where it is a
//! process that containerd, runc and CRIU handle.

mod runtime;

pub use runtime::{ContainerSpec, Exit, HostPathMount, Runtime, RuntimeError, StartedContainer};
