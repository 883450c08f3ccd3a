//! The machines of the simulated world: nodes with processes, disks and a registry, and what ties them to turmoil.
//!
//! ```text
//!   kubelet ──Runtime──► SimRuntime ──requests──► Machines ──between two steps──► turmoil hosts
//! ```

mod archive;
mod fault;
mod images;
mod machines;
mod program;
mod runtime;
mod scenario;
mod transfer;

pub use archive::Archive;
pub use fault::{Fault, UnknownFault};
pub use images::{Image, Images};
pub use machines::{Container, Machines, State};
pub use program::{Launch, Main, Memory, Program, Snapshot};
pub use runtime::SimRuntime;
pub use scenario::Scenario;
