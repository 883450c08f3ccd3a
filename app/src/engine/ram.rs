use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Arrival, Publication, unsequenced::Unsequenced};
use crate::{
    Ledger, Message,
    contract::{Command, MessageId, MissingMessages},
};

/// A process's whole state: the service's, and what the protocol adds.
#[derive(Clone, Debug, Default)]
pub struct Ram<S> {
    /// The service's own.
    pub(crate) state: S,
    /// Which messages `state` contains.
    pub(crate) ledger: Ledger,
    /// Identities of contained messages that carry no sequence.
    pub(crate) unsequenced: Unsequenced,
    /// UID of the pod that this RAM owns the queue as; none in a process that has not connected yet.
    pub(crate) owner_uid: Option<String>,
    /// UID of the pod that it was in at the last connect.
    pub(crate) pod_uid: String,
    /// The queue that it was told to consume then, `Q`.
    pub(crate) queue: String,
    /// The migration that it takes, or last took, part in.
    pub(crate) participation: Option<Participation>,
    /// The largest epoch seen.
    pub(crate) last_epoch: u64,
    /// The epoch of a `STOP` that was obeyed and not resumed.
    pub(crate) stopped: Option<u64>,
    /// The epoch of the last `RESUME`.
    pub(crate) resumed: Option<u64>,
    /// Outputs of applied messages that were not confirmed: released when `Q` delivers their message.
    pub(crate) held_outputs: BTreeMap<MessageId, Publication>,
    /// It took over, or is a copy of one that did, where nobody knew what the source had processed.
    pub(crate) is_unsure: bool,
    /// What it went on without, because nobody had it.
    pub(crate) passed_over: Vec<MissingMessages>,
    /// The target's part, in a process that is a copy.
    pub(crate) target: Option<Target>,
    /// What belongs to the current connection, and dies with it.
    pub(crate) line: Line,
    /// What was counted.
    pub(crate) stats: Stats,
}

/// What `SYNC` put into RAM, or what a fresh process in a shadow pod was told by its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Participation {
    pub(crate) migration: String,
    pub(crate) epoch: u64,
    pub(crate) nonce: Option<String>,
}

/// A copy's part in the migration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) session: String,
    /// `START_REPLAY` was received: `HELLO` need not be repeated.
    pub(crate) replay_queue: Option<String>,
    pub(crate) read: u64,
    pub(crate) applied: u64,
    pub(crate) skipped: u64,
    /// What `END_REPLAY` said last: the source's ledger, or unknown.
    pub(crate) complete: Option<Complete>,
    /// Rounds whose `END` was read and not answered yet.
    pub(crate) rounds: BTreeSet<u32>,
    /// What came before the first message that `Q` had of a producer, where that shows that something is missing.
    pub(crate) missed: Vec<MissingMessages>,
    /// The last answer was `DRAINED`.
    pub(crate) drained: bool,
    /// The replay queue is gone: nothing is left to read.
    pub(crate) finished: bool,
}

/// What complete means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Complete {
    /// The source's ledger.
    Known(Ledger),
    /// Nobody knows: what stands before `END`.
    Unknown,
}

/// What belongs to one connection: delivery tags, subscriptions, and what waits on them.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one connection")]
pub(crate) struct Line {
    /// The control queue was read empty: a `STOP` that waited there is known.
    pub(crate) control_read: bool,
    pub(crate) flush_sent: bool,
    pub(crate) primary: Subscription,
    pub(crate) replay: Subscription,
    pub(crate) hello_due: bool,
    pub(crate) progress_due: bool,
    pub(crate) from_primary: VecDeque<Arrival>,
    pub(crate) from_replay: VecDeque<Arrival>,
    /// Whose turn it is: a new owner whose queue never runs empty still reads the replay queue to its end.
    pub(crate) replays_next: bool,
    pub(crate) commands: VecDeque<(u64, Command)>,
    /// Delivery tags of control messages that need nothing any more.
    pub(crate) control_acks: VecDeque<u64>,
    /// Replies that wait to be said.
    pub(crate) replies: VecDeque<super::step::Say>,
    /// The unacked `STOP`.
    pub(crate) stop_tag: Option<u64>,
    /// What waits until `Q` is not consumed any more.
    pub(crate) when_closed: Option<super::step::Say>,
    /// What waits for the consumer slot of `Q`.
    pub(crate) when_granted: Option<super::step::Say>,
    /// Messages whose predecessor is missing, with their tags in `Q`.
    pub(crate) ahead: BTreeMap<MessageId, (u64, Message)>,
    /// The same of `R`.
    pub(crate) ahead_in_replay: BTreeMap<MessageId, Message>,
    /// For how many ticks each producer of what is `ahead` has waited for what is missing.
    pub(crate) overdue: BTreeMap<String, u32>,
    pub(crate) sync: Option<PendingSync>,
    pub(crate) in_hand: Option<InHand>,
}

/// A consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subscription {
    #[default]
    Closed,
    Open,
    /// Was refused; tried again at the next tick.
    Refused,
}

/// A `SYNC` that waits for messages before it whose predecessor is missing.
#[derive(Clone, Debug)]
pub(crate) struct PendingSync {
    pub(crate) tag: u64,
    pub(crate) waits_for: BTreeSet<MessageId>,
}

/// The message that is being worked on.
#[derive(Clone, Debug)]
pub(crate) struct InHand {
    pub(crate) arrival: Arrival,
    pub(crate) stage: Stage,
}

/// How far the message in hand is.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Its work is under way; nothing of it is in `state`.
    Working(Message),
    /// Applied; its output is not confirmed.
    Emitting(MessageId, Publication),
    /// Nothing is left but the ack.
    Acking,
}

/// What a process is to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It has not connected yet.
    Starting,
    /// It consumes the queue, or will as soon as the broker grants it.
    Owner,
    /// It obeyed `STOP`.
    Stopped,
    /// It is a copy in another pod, and must not touch the queue.
    Target,
}

/// What was counted since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stats {
    /// Messages applied.
    pub applied: u64,
    /// Messages skipped, because the ledger held them.
    pub skipped: u64,
    /// Messages that went to the dead-letter queue.
    pub dead_lettered: u64,
    /// Outputs emitted.
    pub emitted: u64,
    /// Commands and markers of another epoch, session or pod.
    pub stale_commands: u64,
    /// Control messages that could not be parsed.
    pub malformed_commands: u64,
    /// Connections made.
    pub connections: u64,
}

impl<S> Ram<S> {
    /// The service's state.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Which messages the state contains.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What the ledger counts as contained, although the state went on without it: only a dead source had it. In the order in
    /// which it was given up.
    pub fn passed_over(&self) -> &[MissingMessages] {
        &self.passed_over
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The largest epoch seen.
    pub fn epoch(&self) -> u64 {
        self.last_epoch
    }

    /// The nonce that `SYNC` put here.
    pub fn nonce(&self) -> Option<&str> {
        self.participation.as_ref().and_then(|participation| participation.nonce.as_deref())
    }

    /// UID of the pod that it was in at the last connect.
    pub fn pod_uid(&self) -> &str {
        &self.pod_uid
    }

    /// Whether the broker granted it the queue.
    pub fn consumes_primary(&self) -> bool {
        self.line.primary == Subscription::Open
    }

    /// What this process is to the queue.
    pub fn role(&self) -> Role {
        match &self.owner_uid {
            None if self.pod_uid.is_empty() => Role::Starting,
            Some(owner) if *owner == self.pod_uid && self.stopped.is_some() => Role::Stopped,
            Some(owner) if *owner == self.pod_uid => Role::Owner,
            _ => Role::Target,
        }
    }
}
