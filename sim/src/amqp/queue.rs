use std::{collections::VecDeque, sync::Arc};

use amq_protocol::{
    protocol::basic::AMQPProperties,
    types::{AMQPValue, FieldTable},
};
use ms2m_app::contract::HEADER_CONTROL;

/// A message as it was published.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) properties: AMQPProperties,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// Whether it is a command, a reply or a marker of the protocol.
    pub(super) fn is_control(&self) -> bool {
        let to = |prefix: &str| self.routing_key.starts_with(prefix);
        let marker =
            self.properties.headers().as_ref().is_some_and(|h| h.inner().contains_key(HEADER_CONTROL));
        self.exchange.is_empty()
            && (marker || ((to("ms2m.control.") || to("ms2m.replies.")) && !self.is_flush()))
    }

    /// What an application publishes to itself.
    fn is_flush(&self) -> bool {
        self.body.is_empty()
    }

    pub(super) fn is_persistent(&self) -> bool {
        self.properties.delivery_mode() == &Some(2)
    }
}

/// A message in a queue. `position` is its place, which it keeps when it is requeued.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) position: u64,
    pub(super) message: Arc<Message>,
    pub(super) redelivered: bool,
}

/// A subscription.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    pub(super) connection: u64,
    pub(super) channel: u16,
    pub(super) tag: String,
    pub(super) no_ack: bool,
    pub(super) exclusive: bool,
    pub(super) prefetch: u16,
    pub(super) in_flight: u16,
    /// For a stream: what it reads next.
    pub(super) next: u64,
}

impl Consumer {
    fn has_room(&self) -> bool {
        self.no_ack || self.prefetch == 0 || self.in_flight < self.prefetch
    }

    pub(super) fn is(&self, connection: u64, channel: u16, tag: &str) -> bool {
        self.connection == connection && self.channel == channel && self.tag == tag
    }
}

/// A queue: classic, whose messages are gone when acked, or a stream, whose messages stay.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    /// The connection that declared it exclusive.
    pub(super) exclusive: Option<u64>,
    pub(super) arguments: FieldTable,
    pub(super) consumers: Vec<Consumer>,
    pub(super) messages: VecDeque<Stored>,
    pub(super) next_position: u64,
    pub(super) turn: usize,
}

impl Queue {
    pub(super) fn kind(&self) -> &'static str {
        match text(&self.arguments, "x-queue-type").as_deref() {
            Some("stream") => "stream",
            Some("quorum") => "quorum",
            _ => "classic",
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        self.kind() == "stream"
    }

    pub(super) fn is_single_active(&self) -> bool {
        matches!(self.arguments.inner().get("x-single-active-consumer"), Some(AMQPValue::Boolean(true)))
    }

    /// Messages that are ready; for a stream, all that it holds.
    pub(super) fn ready(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn push(&mut self, message: Arc<Message>) {
        let stored = Stored { position: self.next_position, message, redelivered: false };
        self.next_position += 1;
        self.messages.push_back(stored);
    }

    /// Puts a message back where it was.
    pub(super) fn requeue(&mut self, mut stored: Stored) {
        stored.redelivered = true;
        let at = self.messages.partition_point(|other| other.position < stored.position);
        self.messages.insert(at, stored);
    }

    pub(super) fn purge(&mut self) -> usize {
        std::mem::take(&mut self.messages).len()
    }

    /// What a restart of the broker leaves.
    pub(super) fn keep_persistent(&mut self) {
        self.consumers.clear();
        self.messages.retain(|stored| stored.message.is_persistent());
    }

    /// Takes a message without a consumer.
    pub(super) fn get(&mut self) -> Option<Stored> {
        if self.is_stream() { None } else { self.messages.pop_front() }
    }

    /// Where a stream consumer starts.
    pub(super) fn offset(&self, arguments: &FieldTable) -> u64 {
        let first = self.messages.front().map_or(self.next_position, |stored| stored.position);
        match arguments.inner().get("x-stream-offset") {
            Some(AMQPValue::LongLongInt(at)) => u64::try_from(*at).unwrap_or(first).max(first),
            Some(AMQPValue::LongString(_)) => match text(arguments, "x-stream-offset").as_deref() {
                Some("first") => first,
                Some("last") => self.next_position.saturating_sub(1).max(first),
                _ => self.next_position,
            },
            _ => self.next_position,
        }
    }

    /// The next delivery, and the index of the consumer that gets it.
    pub(super) fn next_delivery(&mut self) -> Option<(usize, Stored)> {
        if self.is_stream() { self.next_of_stream() } else { self.next_of_classic() }
    }

    fn next_of_stream(&mut self) -> Option<(usize, Stored)> {
        let first = self.messages.front()?.position;
        let (index, consumer) = self
            .consumers
            .iter_mut()
            .enumerate()
            .find(|(_, consumer)| consumer.has_room() && consumer.next < self.next_position)?;
        let at = consumer.next.max(first);
        let stored = self.messages.get(usize::try_from(at - first).ok()?)?.clone();
        consumer.next = at + 1;
        Some((index, stored))
    }

    fn next_of_classic(&mut self) -> Option<(usize, Stored)> {
        if self.messages.is_empty() || self.consumers.is_empty() {
            return None;
        }
        let count = self.consumers.len();
        let eligible = if self.is_single_active() { 1 } else { count };
        let index = (0..eligible)
            .map(|step| (self.turn + step) % eligible)
            .find(|index| self.consumers[*index].has_room())?;
        self.turn = (index + 1) % count;
        Some((index, self.messages.pop_front()?))
    }
}

/// A text argument.
pub(super) fn text(table: &FieldTable, key: &str) -> Option<String> {
    match table.inner().get(key)? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}
