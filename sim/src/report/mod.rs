//! What a run has to show: the timeline, and the verdict.
//!
//! Shared by the simulation and by the runs on real parts, so that the two read alike.
//!
//! ```text
//!   timeline     what happened, in order         render   as text
//!   history      what became of each party       html     as a page
//!   verdict      what it proved                  page     the frame of every page, and its policy
//!   html/        templates, styles and scripts of the pages, one concept a file
//! ```

mod history;
mod html;
mod letter;
mod migration;
mod narrate;
mod page;
mod render;
mod sample;
mod timeline;
mod verdict;
mod workload;

pub use history::{ApiWrite, Cast, History, PodLife, Process, Strike};
pub use html::html;
pub use letter::Letter;
pub use migration::MigrationReport;
pub use narrate::narrate;
pub(crate) use page::{Page, Subject};
pub use render::{Style, render};
pub use sample::Sample;
pub use timeline::{Event, Lane, Timeline};
pub use verdict::{Belief, Failure, OperatorReport, Verdict, Violation};
pub use workload::WorkloadReport;
