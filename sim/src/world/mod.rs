//! The simulated world, and a migration in it.
//!
//! ```text
//!   drive        a scenario, step by step: faults strike, the oracle looks
//!   cluster      API server, broker, nodes, publishers, operator: hosts of the network
//!   machines     processes, disks, registry
//!                kubelet ──Runtime──► SimRuntime ──requests──► Machines ──between two steps──► turmoil hosts
//!   oracle       the invariants of docs/protocol.md
//! ```

mod archive;
mod cluster;
mod counter;
mod drive;
mod fault;
mod images;
mod machines;
mod mistake;
mod objects;
mod operator;
mod oracle;
mod program;
mod runtime;
mod scenario;
mod transfer;

pub use archive::Archive;
pub use cluster::Cluster;
pub use counter::{CounterMemory, CounterProgram};
pub use drive::run;
pub use fault::{Fault, UnknownFault};
pub use images::{Image, Images};
pub use machines::{Container, Machines, State};
pub use mistake::{Mistake, UnknownMistake};
pub use oracle::Oracle;
pub use program::{Launch, Main, Memory, Program, Snapshot};
pub use runtime::SimRuntime;
pub use scenario::Scenario;
