use super::{
    Arrival, Origin, Publication, Ram,
    intake::Kind,
    ram::{InHand, Line, PendingSync, Stage},
    step::Say,
};
use crate::seeded_bug::{self, SeededBug};
use crate::{
    Handler, Malformed, Message, Standing,
    contract::{Marker, MessageId, NAME_BYTES_MAX, ReplyBody},
};

/// Bytes of what a dead letter says of why it is one: a parser's message may quote all that it could not read.
const WHY_BYTES_MAX: usize = 1_024;

impl<S: Clone + Default> Ram<S> {
    /// Takes up the next message. True when something changed.
    pub(super) fn take_next<H: Handler<State = S>>(&mut self, handler: &H) -> bool {
        if self.answer_sync() || self.take_successor() {
            return true;
        }
        let Line { from_primary, from_replay, replays_next, .. } = &mut self.line;
        if seeded_bug::is(SeededBug::SyncedEarly) {
            from_primary.make_contiguous().sort_by_key(|arrival| !matches!(arrival.kind, Kind::Marker(_)));
        }
        *replays_next = !*replays_next;
        let (first, second) =
            if *replays_next { (from_replay, from_primary) } else { (from_primary, from_replay) };
        let Some(arrival) = first.pop_front().or_else(|| second.pop_front()) else { return false };
        match arrival.kind.clone() {
            Kind::Marker(marker) => self.marked(arrival, marker),
            Kind::MalformedMarker => {
                self.stats.malformed_commands += 1;
                self.hold_hand(arrival, Stage::Acking);
            }
            Kind::Anonymous(why) => self.without_identity(arrival, why),
            Kind::Unsequenced(id) => self.unsequenced(handler, arrival, id),
            Kind::Sequenced(id) => self.sequenced(arrival, id),
        }
        true
    }

    pub(super) fn hold_hand(&mut self, arrival: Arrival, stage: Stage) {
        self.line.in_hand = Some(InHand { arrival, stage });
    }

    fn marked(&mut self, arrival: Arrival, marker: Marker) {
        match marker {
            Marker::Sync { migration, epoch, nonce, source, .. } => {
                self.sync(arrival, migration, epoch, nonce, &source);
            }
            Marker::End { session, round, .. } => {
                self.end_read(&session, round);
                self.hold_hand(arrival, Stage::Acking);
            }
        }
    }

    /// What cannot be recognised cannot be recorded: it is put aside, unchanged. In `R` it is only passed over, because
    /// `Q` delivers it to its owner.
    fn without_identity(&mut self, arrival: Arrival, why: String) {
        let stage = match arrival.origin {
            Origin::Primary => Stage::Emitting(anonymous(), dead_letter(&arrival, None, why)),
            Origin::Replay => Stage::Acking,
        };
        self.hold_hand(arrival, stage);
    }

    fn unsequenced<H: Handler<State = S>>(&mut self, handler: &H, arrival: Arrival, id: String) {
        let is_known = self.unsequenced.contains(&id);
        self.count_read(&arrival, is_known);
        self.unsequenced.came(&id, arrival.origin);
        let key = MessageId { producer: id, seq: 0 };
        if is_known {
            self.known(arrival, &key);
            return;
        }
        let message = message(&arrival, key);
        let result = handler.apply(&mut self.state, &message);
        self.applied(arrival, &message, result);
    }

    fn sequenced(&mut self, arrival: Arrival, id: MessageId) {
        let mut standing = match arrival.origin {
            Origin::Primary => self.ledger.standing(&id),
            Origin::Replay => self.standing_in_replay(&id),
        };
        if seeded_bug::is(SeededBug::SkipDedup) && standing == Standing::Known {
            standing = Standing::Next;
        }
        if seeded_bug::is(SeededBug::ApplyAhead) && standing == Standing::Ahead {
            standing = Standing::Next;
        }
        self.count_read(&arrival, standing == Standing::Known);
        match standing {
            Standing::Known => self.known(arrival, &id),
            Standing::Next => {
                let message = message(&arrival, id);
                self.hold_hand(arrival, Stage::Working(message));
            }
            Standing::Ahead => self.set_aside(arrival, id),
        }
    }

    /// A contained message is acked; in `Q` its held output goes out first.
    fn known(&mut self, arrival: Arrival, id: &MessageId) {
        self.stats.skipped += 1;
        let held = (arrival.origin == Origin::Primary).then(|| self.held_outputs.remove(id)).flatten();
        let stage = held.map_or(Stage::Acking, |output| Stage::Emitting(id.clone(), output));
        self.hold_hand(arrival, stage);
    }

    fn set_aside(&mut self, arrival: Arrival, id: MessageId) {
        let message = message(&arrival, id.clone());
        match arrival.origin {
            Origin::Primary => drop(self.line.ahead.insert(id, (arrival.tag, message))),
            Origin::Replay => {
                self.line.ahead_in_replay.insert(id, message);
                // The log keeps it; the credit is needed for its predecessor.
                self.hold_hand(arrival, Stage::Acking);
            }
        }
    }

    /// A message that was set aside, once its predecessor is contained.
    fn take_successor(&mut self) -> bool {
        let due = |id: &&MessageId| self.ledger.standing(id) != Standing::Ahead;
        if let Some(id) = self.line.ahead.keys().find(due).cloned()
            && let Some((tag, message)) = self.line.ahead.remove(&id)
        {
            let arrival = arrival_of(Origin::Primary, tag, &message);
            self.line.overdue.remove(&id.producer);
            self.sequenced(arrival, id);
            return true;
        }
        if let Some(id) = self.due_in_replay().cloned()
            && let Some(message) = self.line.ahead_in_replay.remove(&id)
        {
            if self.ledger.standing(&id) == Standing::Next {
                // It was acked already: tag 0 acks nothing.
                let arrival = arrival_of(Origin::Replay, 0, &message);
                self.hold_hand(arrival, Stage::Working(message));
            }
            return true;
        }
        false
    }

    /// The work on the message in hand is over: it becomes part of the state, at one instant.
    pub(super) fn worked<H: Handler<State = S>>(&mut self, handler: &H) {
        let Some(InHand { arrival, stage: Stage::Working(message) }) = self.line.in_hand.take() else {
            return;
        };
        if self.ledger.standing(&message.id) == Standing::Known && !seeded_bug::is(SeededBug::SkipDedup) {
            self.known(arrival, &message.id);
            return;
        }
        let result = handler.apply(&mut self.state, &message);
        self.note_missed(&message.id);
        self.ledger.insert(&message.id);
        self.applied(arrival, &message, result);
    }

    /// An output is emitted by the owner, and held by a target until `Q` delivers its message.
    fn applied(
        &mut self,
        arrival: Arrival,
        message: &Message,
        result: Result<Option<crate::Output>, Malformed>,
    ) {
        self.stats.applied += u64::from(result.is_ok());
        if arrival.origin == Origin::Replay
            && let Some(target) = &mut self.target
        {
            target.applied += 1;
        }
        let output = match result.and_then(sendable) {
            Ok(output) => output.map(|output| Publication {
                exchange: output.exchange,
                routing_key: output.routing_key,
                id: Some(message.id.clone()),
                body: output.body,
                dead_letter: None,
            }),
            Err(Malformed(why)) => Some(dead_letter(&arrival, Some(message.id.clone()), why)),
        };
        let stage = match (output, arrival.origin) {
            (None, _) => Stage::Acking,
            (Some(output), Origin::Primary) => Stage::Emitting(message.id.clone(), output),
            (Some(output), Origin::Replay) if seeded_bug::is(SeededBug::ReleaseOutputsEarly) => {
                Stage::Emitting(message.id.clone(), output)
            }
            (Some(output), Origin::Replay) => {
                self.held_outputs.insert(message.id.clone(), output);
                Stage::Acking
            }
        };
        self.hold_hand(arrival, stage);
    }

    fn sync(&mut self, arrival: Arrival, migration: String, epoch: u64, nonce: String, source: &str) {
        let ours = arrival.origin == Origin::Primary && source == self.pod_uid;
        let late = epoch < self.last_epoch || self.stopped >= Some(epoch) || self.resumed >= Some(epoch);
        if !ours || late {
            self.stats.stale_commands += 1;
            self.hold_hand(arrival, Stage::Acking);
            return;
        }
        self.last_epoch = epoch;
        self.participation = Some(super::ram::Participation { migration, epoch, nonce: Some(nonce) });
        let waits_for = self.line.ahead.keys().cloned().collect();
        // A second marker answers for both: what stood before the first stands before it.
        if let Some(earlier) = self.line.sync.replace(PendingSync { tag: arrival.tag, waits_for }) {
            let earlier = arrival_of_tag(earlier.tag);
            self.hold_hand(earlier, Stage::Acking);
        }
    }

    /// Answers `SYNC` when everything before it is processed.
    fn answer_sync(&mut self) -> bool {
        let Some(sync) = &self.line.sync else { return false };
        if sync.waits_for.iter().any(|id| self.line.ahead.contains_key(id)) {
            return false;
        }
        let tag = sync.tag;
        self.line.sync = None;
        let Some(participation) = self.participation.clone() else { return true };
        let nonce = participation.nonce.clone().unwrap_or_default();
        self.say(Say {
            migration: participation.migration,
            epoch: participation.epoch,
            body: ReplyBody::Synced { nonce, ledger: self.ledger.clone() },
            answers: None,
        });
        self.hold_hand(arrival_of_tag(tag), Stage::Acking);
        true
    }

    pub(super) fn acked(&mut self) {
        self.line.in_hand = None;
    }
}

/// An output that a broker can be given: one whose names are too long would be refused each time.
fn sendable(output: Option<crate::Output>) -> Result<Option<crate::Output>, Malformed> {
    let Some(output) = output else { return Ok(None) };
    for (name, what) in [(&output.exchange, "exchange"), (&output.routing_key, "routing key")] {
        if name.len() > NAME_BYTES_MAX {
            let bytes = name.len();
            return Err(Malformed(format!(
                "its output's {what} has {bytes} bytes, and AMQP knows {NAME_BYTES_MAX} at most"
            )));
        }
    }
    Ok(Some(output))
}

fn dead_letter(arrival: &Arrival, id: Option<MessageId>, mut why: String) -> Publication {
    // It is a header, and all of them have to fit into one frame.
    why.truncate(why.floor_char_boundary(WHY_BYTES_MAX));
    Publication {
        exchange: String::new(),
        // The shell knows the primary queue's name, and so the dead-letter queue's.
        routing_key: String::new(),
        id,
        body: arrival.body.clone(),
        dead_letter: Some(why),
    }
}

fn message(arrival: &Arrival, id: MessageId) -> Message {
    Message { id, routing_key: arrival.routing_key.clone(), body: arrival.body.clone() }
}

fn arrival_of(origin: Origin, tag: u64, message: &Message) -> Arrival {
    Arrival {
        origin,
        tag,
        kind: Kind::Sequenced(message.id.clone()),
        routing_key: message.routing_key.clone(),
        body: message.body.clone(),
    }
}

fn arrival_of_tag(tag: u64) -> Arrival {
    Arrival {
        origin: Origin::Primary,
        tag,
        kind: Kind::MalformedMarker,
        routing_key: String::new(),
        body: Vec::new(),
    }
}

/// What stands for the identity of a message that has none; never looked up.
fn anonymous() -> MessageId {
    MessageId { producer: String::new(), seq: 0 }
}
