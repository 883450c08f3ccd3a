use super::{Ram, ram::Subscription, step::Say};
use crate::contract::{Command, Marker, MessageId};

/// A message as it was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which queue it came from.
    pub origin: Origin,
    /// Delivery tag on that consumer's channel.
    pub tag: u64,
    /// Its identity, a marker, or what is wrong with its headers.
    pub kind: Kind,
    /// Routing key.
    pub routing_key: String,
    /// Body.
    pub body: Vec<u8>,
}

/// A queue that a process reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `Q`.
    Primary,
    /// `R`.
    Replay,
}

/// What a delivery is, by its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message with producer and sequence.
    Sequenced(MessageId),
    /// A message with a `message-id` only.
    Unsequenced(String),
    /// A marker of the protocol.
    Marker(Marker),
    /// A marker that could not be parsed.
    MalformedMarker,
    /// A message without an identity.
    Anonymous(String),
}

impl<S> Ram<S> {
    /// A delivery of `Q` or `R`.
    pub fn delivered(&mut self, arrival: Arrival) {
        match arrival.origin {
            Origin::Primary => self.line.from_primary.push_back(arrival),
            Origin::Replay => self.line.from_replay.push_back(arrival),
        }
    }

    /// A message of the control queue; `None` when it could not be parsed.
    pub fn commanded(&mut self, tag: u64, command: Option<Command>) {
        match command {
            Some(command) => self.line.commands.push_back((tag, command)),
            None => {
                self.stats.malformed_commands += 1;
                self.line.control_acks.push_back(tag);
            }
        }
    }

    /// A control message that asks for nothing.
    pub fn ack_control(&mut self, tag: u64) {
        self.line.control_acks.push_back(tag);
    }

    /// What this connection itself put into the control queue came back: everything before it has been read.
    pub fn control_was_read(&mut self, tag: u64) {
        self.line.control_acks.push_back(tag);
        self.line.control_read = true;
    }

    /// The replay queue was deleted, or is not there.
    pub fn replay_gone(&mut self) {
        self.line.replay = Subscription::Closed;
        self.line.from_replay.clear();
        if let Some(target) = &mut self.target
            && target.drained
        {
            target.finished = true;
            self.unsequenced.replay_is_over();
        }
    }

    /// The broker took the primary queue's consumer away; it may be had again.
    pub fn primary_cancelled(&mut self) {
        self.line.primary = Subscription::Refused;
        self.forget_primary();
        self.drop_hand_of(Origin::Primary);
    }

    /// What was prefetched of `Q` returns to it with the channel.
    pub(super) fn forget_primary(&mut self) {
        self.line.from_primary.clear();
        self.line.ahead.clear();
        self.line.overdue.clear();
        self.line.sync = None;
    }

    /// Time passes: what was refused is tried again, what is said periodically is due.
    pub fn ticked(&mut self, hello_due: bool) {
        if self.line.primary == Subscription::Refused {
            self.line.primary = Subscription::Closed;
        }
        if self.line.replay == Subscription::Refused {
            self.line.replay = Subscription::Closed;
        }
        self.line.hello_due |= hello_due;
        self.line.progress_due = true;
        self.pass_over_what_is_overdue();
    }

    pub(super) fn say(&mut self, say: Say) {
        self.line.replies.push_back(say);
    }
}
