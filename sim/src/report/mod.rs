//! What a run has to show: the timeline, and the verdict.
//!
//! Shared by the simulation and by the runs on real parts, so that the two read alike.

mod html;
mod letter;
mod migration;
mod narrate;
mod page;
mod plot;
mod render;
mod sample;
mod timeline;
mod verdict;
mod workload;

pub use html::html;
pub use letter::Letter;
pub use migration::MigrationReport;
pub use narrate::narrate;
pub use page::{escape, page};
pub use render::{Style, render};
pub use sample::Sample;
pub use timeline::{Event, Lane, Timeline};
pub use verdict::{Belief, Failure, OperatorReport, Verdict, Violation};
pub use workload::WorkloadReport;
