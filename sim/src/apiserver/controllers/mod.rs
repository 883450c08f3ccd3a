//! What the controller manager and the scheduler do to a cluster, as rules over the store.
//!
//! ```text
//!   nodes, taints, evictions    a node that falls silent, and what becomes of its pods
//!   scheduler                   a node for each pod
//!   deployments ─► replica_sets ─► pods
//!   stateful_sets, jobs ──────────► pods        claims: whose a pod is
//!   garbage                     what has lost its owners
//! ```

use std::time::Duration;

use jiff::Timestamp;

use super::store::Store;

mod claims;
mod deployments;
mod evictions;
mod garbage;
mod jobs;
mod node_affinity;
mod node_fit;
mod nodes;
mod owner_references;
mod pod_requests;
mod pods;
mod replica_sets;
mod scheduler;
mod stateful_sets;
mod taints;
mod template_hash;

/// The field manager of all but the scheduler.
const MANAGER: &str = "kube-controller-manager";
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
        taints::mark_nodes(store);
        evictions::evict(store);
        scheduler::bind_pods(store);
        deployments::advance(store);
        replica_sets::advance(store);
        stateful_sets::advance(store);
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
