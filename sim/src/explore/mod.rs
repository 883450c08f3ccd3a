//! Many runs: what `cargo sim` does beyond a single one. Each run is a process of its own, so that a crash or a hang is one
//! result among others.
//!
//! ```text
//!   child          one run in a process, and what came of it
//!   sweep          many seeds, beside each other
//!   determinism    the same plan twice, and the first line that differs
//! ```

mod child;
mod determinism;
mod pool;
mod sweep;

pub use child::{Child, Class, Outcome};
pub use determinism::{Comparison, compare_twice};
pub use pool::{Pool, Stop};
pub use sweep::{Sweep, Swept};
