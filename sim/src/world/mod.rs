//! The simulated world, and a migration in it.
//!
//! ```text
//!   drive        a plan, step by step: faults strike, the oracles look
//!   strike       what each fault does, and how it ends
//!   history      what became of each party, for the report
//!   rare         points that a sweep must reach sometimes
//!   party        one workload: its names, its migration's status, its oracle
//!   rounds       one migration after the other
//!   cluster      API server, broker, nodes, publishers, operator: hosts of the network
//!   routes       how messages get into a workload's queue
//!   machines     processes, disks, registry
//!                kubelet ──Runtime──► SimRuntime ──requests──► Machines ──between two steps──► turmoil hosts
//!   activity     what the operator asked of the servers, which must end with the migrations
//!   oracle       the invariants of docs/protocol.md
//! ```

mod activity;
mod archive;
mod cluster;
mod counter;
mod drive;
mod evictions;
mod freezer;
mod history;
mod hurry;
mod images;
mod machines;
mod mistake;
mod names;
mod nonsense;
mod objects;
mod operator;
mod oracle;
mod party;
mod program;
mod pull;
mod rare;
mod registry_host;
mod rounds;
mod routes;
mod runtime;
mod sidecar;
mod strike;
mod transfer;

pub use archive::Archive;
pub use cluster::{Cluster, Traffic};
pub use counter::{CounterMemory, CounterProgram};
pub use drive::{Tracing, run};
pub use images::CheckpointImage;
pub use machines::{Ailment, Container, Machines, State};
pub use mistake::Mistake;
pub use names::Names;
pub use operator::SkewedClock;
pub use oracle::Oracle;
pub use program::{Launch, Main, Memory, Program, Snapshot};
pub use rare::{Reached, STRUCK_BY, points};
pub use runtime::SimRuntime;
