use std::time::Duration;

use super::Effect;
use crate::api::StatefulMigrationStatus;

/// What is done next: write `status`, then ack the replies, then do the effects in order.
///
/// The status is written with a compare-and-swap on the object's resource version. When that fails nothing else of
/// the decision happens: the world is observed anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The status from now on; unchanged when nothing is to be recorded.
    pub status: StatefulMigrationStatus,
    /// Replies whose effect is in `status`, or that have none.
    pub ack: Vec<u64>,
    /// What is done, in this order, once `status` is written.
    pub effects: Vec<Effect>,
    /// When to look again though nothing wakes us; `None` when nothing is left to happen.
    pub requeue_after: Option<Duration>,
}
