//! A kubelet: pods of one node, Jobs' pods among them, and the checkpoint API, over a container [`Runtime`].
//!
//! The same code runs in the simulation, where a container is a simulated host, and on one machine, where it is a
//! process that containerd, runc and CRIU handle.
//!
//! ```text
//!   API server ──watch──► Kubelet::run ──► one worker per pod ──► Runtime
//!       ▲                                       │                    ▲
//!       └──────────── pod status ───────────────┘                    │
//!   POST /checkpoint/… ──► serve_connection ─────────────────────────┘
//! ```
//!
//! What it leaves out: init containers and volumes other than those below are refused with a reason in the pod's status;
//! probes are not run, a container is ready while it runs; `status.podIP` is not known to a container's environment.

mod checkpoint;
mod config;
mod container;
mod heartbeat;
mod http;
mod node;
mod pod_status;
mod pod_worker;
mod pod_writes;
mod reference;
mod resolve;
mod runtime;
mod take_over;
mod volumes;

#[cfg(test)]
mod tests;

pub use self::{
    config::Config,
    http::serve_connection,
    node::Kubelet,
    runtime::{
        ContainerSpec, Exit, HostPathMount, RunningContainer, Runtime, RuntimeError, StartedContainer,
    },
};
