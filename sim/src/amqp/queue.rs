use std::{collections::VecDeque, sync::Arc, time::Duration};

use amq_protocol::types::{AMQPValue, FieldTable};

use super::{
    consumer::Consumer,
    message::{Message, text},
    settings::{Kind, Settings},
};

/// A message in a queue. `position` is its place, which it keeps when it is requeued.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) position: u64,
    pub(super) message: Arc<Message>,
    pub(super) redelivered: bool,
    /// How often it came back.
    pub(super) returns: u64,
    pub(super) expires_at: Option<Duration>,
    priority: u8,
}

/// A queue: classic or quorum, whose messages are gone when acked, or a stream, whose messages stay.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Which of the queues that had this name it is.
    pub(super) incarnation: u64,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    /// The connection that declared it exclusive.
    pub(super) exclusive: Option<u64>,
    /// As they were declared.
    pub(super) arguments: FieldTable,
    pub(super) settings: Settings,
    pub(super) consumers: Vec<Consumer>,
    pub(super) messages: VecDeque<Stored>,
    pub(super) next_position: u64,
    pub(super) turn: usize,
    /// When it was last declared, consumed or read.
    pub(super) last_used: Duration,
}

impl Queue {
    pub(super) fn kind(&self) -> Kind {
        self.settings.kind
    }

    pub(super) fn is_stream(&self) -> bool {
        self.kind() == Kind::Stream
    }

    /// Messages that are ready; for a stream, all that it holds.
    pub(super) fn ready(&self) -> usize {
        self.messages.len()
    }

    /// Puts a message behind those of its priority.
    pub(super) fn push(&mut self, message: Arc<Message>, now: Duration) {
        let own = message.expiration().unwrap_or_default();
        let after = [self.settings.message_ttl, own].into_iter().flatten().min();
        let stored = Stored {
            position: self.next_position,
            redelivered: false,
            returns: 0,
            expires_at: after.filter(|_| !self.is_stream()).map(|after| now + after),
            priority: message.properties.priority().unwrap_or_default().min(self.settings.priority_max),
            message,
        };
        self.next_position += 1;
        self.insert(stored);
    }

    /// Puts a message back: where it was, or, into a quorum queue, behind those that came back before it.
    pub(super) fn requeue(&mut self, mut stored: Stored) {
        stored.redelivered = true;
        stored.returns += 1;
        if self.kind() == Kind::Quorum {
            let at = self.messages.partition_point(|other| other.returns > 0);
            self.messages.insert(at, stored);
        } else {
            self.insert(stored);
        }
    }

    fn insert(&mut self, stored: Stored) {
        let place = |stored: &Stored| (u8::MAX - stored.priority, stored.position);
        let at = self.messages.partition_point(|other| place(other) < place(&stored));
        self.messages.insert(at, stored);
    }

    pub(super) fn purge(&mut self) -> usize {
        std::mem::take(&mut self.messages).len()
    }

    /// What a restart of the broker leaves.
    pub(super) fn keep_persistent(&mut self) {
        self.consumers.clear();
        if self.kind() == Kind::Classic {
            self.messages.retain(|stored| stored.message.is_persistent());
        }
    }

    /// Takes a message without a consumer.
    pub(super) fn get(&mut self) -> Option<Stored> {
        self.messages.pop_front()
    }

    /// Takes the first message if its time was over by then.
    pub(super) fn take_expired(&mut self, by: Duration) -> Option<Stored> {
        self.messages.front()?.expires_at.filter(|at| *at <= by)?;
        self.messages.pop_front()
    }

    /// Takes the first message of a queue that holds too much.
    pub(super) fn take_surplus(&mut self) -> Option<Stored> {
        if self.is_stream() || self.fits(0, 0) { None } else { self.messages.pop_front() }
    }

    /// Whether there is room for so much more.
    pub(super) fn fits(&self, messages: usize, bytes: usize) -> bool {
        let held = || self.messages.iter().map(|stored| stored.message.body.len()).sum::<usize>();
        self.settings.length_max.is_none_or(|most| self.messages.len() + messages <= most)
            && self.settings.bytes_max.is_none_or(|most| held() + bytes <= most)
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

    /// The next delivery, and the index of the consumer that gets it. `has_room` speaks for a consumer's channel.
    pub(super) fn next_delivery(&mut self, has_room: impl Fn(&Consumer) -> bool) -> Option<(usize, Stored)> {
        let ready = |consumer: &Consumer| consumer.has_room() && has_room(consumer);
        if self.is_stream() { self.next_of_stream(ready) } else { self.next_of_queue(ready) }
    }

    fn next_of_stream(&mut self, ready: impl Fn(&Consumer) -> bool) -> Option<(usize, Stored)> {
        let first = self.messages.front()?.position;
        let (index, consumer) = self
            .consumers
            .iter_mut()
            .enumerate()
            .find(|(_, consumer)| ready(consumer) && consumer.next < self.next_position)?;
        let at = consumer.next.max(first);
        let stored = self.messages.get(usize::try_from(at - first).ok()?)?.clone();
        consumer.next = at + 1;
        Some((index, stored))
    }

    fn next_of_queue(&mut self, ready: impl Fn(&Consumer) -> bool) -> Option<(usize, Stored)> {
        if self.messages.is_empty() || self.consumers.is_empty() {
            return None;
        }
        let count = self.consumers.len();
        let eligible = if self.settings.single_active { 1 } else { count };
        let index = (0..eligible)
            .map(|step| (self.turn + step) % eligible)
            .find(|index| ready(&self.consumers[*index]))?;
        self.turn = (index + 1) % count;
        Some((index, self.messages.pop_front()?))
    }
}
