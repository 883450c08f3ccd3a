//! The application's side of the protocol, as a value and the steps that it asks for. No async, no client types.
//!
//! ```text
//!   deliveries, commands, connections ──take in──►  Ram  ──next_step──►  Step ──shell──► done ──► Ram
//! ```
//!
//! Everything that matters is in [`Ram`]: a checkpoint is a copy of it, taken between any two instants, and a restored
//! process is that copy, told by [`Ram::connected`] that its connections are dead and who it is now.

mod apply;
mod connect;
mod control;
mod intake;
mod overdue;
mod ram;
mod step;
mod target;
mod unsequenced;

#[cfg(test)]
mod tests;

pub use connect::ENV_RESTORE;
pub use intake::{Arrival, Kind, Origin};
pub(crate) use overdue::PATIENCE_TICKS;
pub use ram::{Ram, Role, Stats};
pub use step::{Publication, Step, StepResult};
