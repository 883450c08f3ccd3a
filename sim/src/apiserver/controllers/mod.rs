//! What the controller manager and the scheduler do to a cluster, as rules over the store.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{object::items, store::Store};

mod garbage;
mod jobs;
mod nodes;
mod scheduler;

/// How often rules that depend on time are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Rules feed each other a few times at most; more would be two rules that disagree.
const PASSES_MAX: u32 = 100;

/// Applies all rules until none of them changes anything. Returns how long nothing needs to be looked at.
///
/// Nobody is blamed for having been silent before `since`, when the controllers themselves began to listen.
pub(super) fn settle(store: &mut Store, since: Timestamp) -> Duration {
    for _ in 0..PASSES_MAX {
        let before = store.version();
        nodes::give_up_silent(store, since);
        scheduler::bind_pods(store);
        jobs::advance(store);
        garbage::collect(store);
        store.release_definitions();
        if store.version() == before {
            return TICK;
        }
    }
    tracing::error!(target: "apiserver", "the controllers' rules do not come to rest");
    TICK
}

/// Puts a condition into the status, in the place of one of the same type. What says the same already stays.
fn set_condition(object: &mut Value, condition: Value) {
    let mut conditions = items(&object["status"]["conditions"]).to_vec();
    match conditions.iter_mut().find(|present| present["type"] == condition["type"]) {
        Some(present)
            if present["status"] == condition["status"]
                && present["reason"] == condition["reason"]
                && present["message"] == condition["message"] =>
        {
            return;
        }
        Some(present) => *present = condition,
        None => conditions.push(condition),
    }
    object["status"]["conditions"] = json!(conditions);
}
