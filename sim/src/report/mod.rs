//! What a run has to show: the timeline, and the verdict.
//!
//! Shared by the simulation and by the runs on real parts, so that the two read alike.

mod migration;
mod narrate;
mod render;
mod timeline;
mod verdict;
mod workload;

pub use migration::MigrationReport;
pub use narrate::narrate;
pub use render::{Style, render};
pub use timeline::{Event, Lane, Timeline};
pub use verdict::{Belief, Failure, OperatorReport, Verdict, Violation};
pub use workload::WorkloadReport;
