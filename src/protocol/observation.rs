use jiff::Timestamp;
use ms2m_app::contract::Reply;

use super::{Effect, EffectFailure, EffectReport, Rivalry};
use crate::api::Binding;

/// What is the case, as far as it could be seen just now.
///
/// Replies are taken before the cluster is looked at, so that whoever sent one is already visible.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The object is being deleted.
    pub deletion_requested: bool,
    /// Generation of the spec.
    pub generation: Option<i64>,
    /// A fresh random value, should one be needed.
    pub fresh_nonce: String,
    /// The checks before the start; gathered in `Pending` only.
    pub preflight: Option<Preflight>,
    /// The other migrations, between the checks and the start; `None` when they could not be looked at.
    pub rivalry: Option<Rivalry>,
    /// The source pod, by the name in the spec; `None` when it could not be looked at.
    pub source: Option<PodView>,
    /// The shadow pod; `None` when it could not be looked at.
    pub shadow: Option<PodView>,
    /// The transfer Job; `None` when it could not be looked at.
    pub transfer_job: Option<JobView>,
    /// The clean-up Job; `None` when it could not be looked at.
    pub cleanup_job: Option<JobView>,
    /// The primary queue `Q`; `None` when the broker did not answer.
    pub primary: Option<QueueView>,
    /// The replay queue `R`; `None` when the broker did not answer.
    pub replay: Option<QueueView>,
    /// How many messages were ever written to `R`.
    pub replay_end: Option<u64>,
    /// `Q`'s bindings now; `None` where the broker cannot be asked.
    pub bindings: Option<Vec<Binding>>,
    /// Replies that are not acked yet, oldest first.
    pub replies: Vec<PendingReply>,
    /// Since when replies are listened to without a break; `None` while they are not. Who has said nothing before that may
    /// have said it to nobody.
    pub listening_since: Option<Timestamp>,
    /// Since when every look at the primary queue found nobody consuming it; `None` where the last one found somebody, or
    /// nothing. See [`QueueView::unowned_since`].
    pub unowned_since: Option<Timestamp>,
    /// What became of the effects of the last decision.
    pub outcomes: Vec<EffectOutcome>,
}

/// What the checks before the start found.
#[derive(Clone, Debug, Default)]
pub struct Preflight {
    /// What speaks against starting; empty when nothing does.
    pub findings: Vec<Finding>,
    /// What does not stop it, but should be known.
    pub warnings: Vec<Finding>,
    /// The container that holds the state.
    pub container: String,
    /// The target node.
    pub target_node: String,
    /// `Q`'s bindings.
    pub bindings: Vec<Binding>,
}

/// One result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One of [`reason`](crate::api::reason), or of `broker::preflight`.
    pub reason: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

/// A pod, as far as the protocol cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodView {
    /// There is none of that name.
    Absent,
    /// There is one.
    Present(PodFacts),
}

/// Facts about a pod that exists.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// Its UID.
    pub uid: String,
    /// Its node; empty until it is scheduled.
    pub node: String,
    /// The runtime's id of the state-holding container; empty until it runs.
    pub container_id: String,
    /// Whether that container runs.
    pub running: bool,
    /// Whether the pod is over: failed, succeeded, or its container ended without a restart.
    pub ended: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Whether the UID label of this migration is on it.
    pub labelled: bool,
    /// Why its container waits or ended, as the kubelet says it; empty when it does not.
    pub trouble: String,
}

/// A Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobView {
    /// There is none of that name.
    Absent,
    /// It has not ended.
    Running,
    /// It ended well; with the termination message of its pod.
    Succeeded {
        /// The termination message.
        message: String,
    },
    /// It failed.
    Failed {
        /// One word.
        reason: String,
        /// A sentence.
        message: String,
    },
    /// It is being deleted.
    Terminating,
}

/// A queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueView {
    /// There is none of that name.
    Absent,
    /// There is one.
    Present {
        /// Consumers.
        consumers: u32,
    },
}

impl QueueView {
    /// Since when nobody is known to consume a queue, when it is looked at once more; `before` is what was known until now.
    pub fn unowned_since(
        seen: Option<&Self>,
        before: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        match seen {
            Some(Self::Present { consumers: 0 }) => before.or(Some(now)),
            Some(Self::Present { .. } | Self::Absent) | None => None,
        }
    }
}

/// A reply that waits for its effect to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingReply {
    /// What the shell acks it by.
    pub id: u64,
    /// What it says; `None` when it could not be parsed.
    pub reply: Option<Reply>,
}

/// What became of an effect.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectOutcome {
    /// The effect.
    pub effect: Effect,
    /// How it went.
    pub result: Result<EffectReport, EffectFailure>,
}
