//! The sans-IO core: what is the case, and what time it is, decide what is done next.
//!
//! ```text
//!   spec + status + observation + now  ──decide──►  status', acks, effects, when to look again
//!
//!   table        the phases: entry fact, work, undo, edges       read this first
//!   decide       replies and outcomes are taken in, then the phase's step runs
//!   phase/       one file per phase
//!   cutoff       when to stop waiting for the target
//!   intervals    how soon to ask, or to look, again
//!   rivalry      which of several migrations of one pod goes first
//! ```

pub mod cutoff;
mod decide;
mod decision;
mod draft;
mod effect;
mod intervals;
mod life;
mod migration;
pub mod names;
mod needs;
mod observation;
mod outcomes;
mod phase;
mod replies;
mod rivalry;
pub mod table;
#[cfg(test)]
mod tests;

use life::Life;

pub use decide::decide;
pub use decision::Decision;
pub use effect::{Effect, EffectFailure, EffectReport};
pub use intervals::Intervals;
pub use migration::Migration;
pub use needs::{Needs, needs};
pub use observation::{
    EffectOutcome, Finding, JobView, Observation, PendingReply, PodFacts, PodView, Preflight, QueueView,
};
pub use phase::checkpoint_timeout;
pub use rivalry::{Contender, Rivalry, Stage};
