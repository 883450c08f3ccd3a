//! Many runs: what `cargo sim` does beyond a single one. Each run is a process of its own, so that a crash or a hang is one
//! result among others.
//!
//! ```text
//!   child          one run in a process, and what came of it
//!   supervise      the same for a person: its output goes on, and a crash or a hang becomes an exit code
//!   orphan         a run whose parent is gone ends
//!   sweep          many seeds, beside each other
//!   failures       the plans of what failed
//!   determinism    the same plan twice, and the first line that differs
//!   matrix         every fault at every step
//!   shrink         a plan that breaks something, made as small as possible
//!   explain        what happened around the first broken invariant
//!   mutants        seeded bugs, and which seed catches each
//!   kept           seeded bugs, and the plans that are kept for each
//! ```

mod child;
mod determinism;
mod explain;
mod failed;
mod failures;
mod kept;
mod matrix;
mod mutants;
#[allow(unsafe_code, reason = "prctl(2) has no safe binding")]
mod orphan;
mod pool;
mod shrink;
mod supervise;
mod sweep;
mod sweep_page;

pub use child::{Broken, Child, Class, Outcome};
pub use determinism::{Comparison, compare_twice};
pub use explain::explain;
pub use failed::Failed;
pub use failures::save_plan;
pub use kept::{Check, check};
pub use matrix::{Matrix, Part};
pub use mutants::{Catch, Hunt, build_seeded, hunt};
pub use orphan::end_with_parent;
pub use pool::{Pool, Stop};
pub use shrink::{NotShrunk, Shrink, Shrunk};
pub use supervise::{Watched, is_supervised, supervise};
pub use sweep::{INTERRUPTED, Sweep, Swept};
