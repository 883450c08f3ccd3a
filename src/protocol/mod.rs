//! The sans-IO core: what is the case, and what time it is, decide what is done next.
//!
//! ```text
//!   spec + status + observation + now  ──decide──►  status', acks, effects, when to look again
//! ```

mod decision;
mod effect;
mod migration;
pub mod names;
mod observation;

pub use decision::Decision;
pub use effect::{Effect, EffectFailure, EffectReport};
pub use migration::Migration;
pub use observation::{
    EffectOutcome, Finding, JobView, Observation, PendingReply, PodFacts, PodView, Preflight, QueueView,
};
