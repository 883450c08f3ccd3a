use std::{collections::BTreeSet, time::Duration};

use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame},
    protocol::{AMQPClass, basic},
    types::AMQPValue,
};

use super::{
    broker::{Broker, Channel, FRAME_BODY_MAX, Unacked},
    consumer::Consumer,
    dead_letter::Death,
    expiry::INSTANT,
    queue::Stored,
    settings::Kind,
};

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    Ack,
    Requeue,
    Reject,
}

impl Broker {
    /// Delivers what can be delivered now.
    pub(super) fn deliver(&mut self, name: &str) {
        self.deliver_at(name, self.clock.now());
    }

    /// Delivers what can be delivered at this time.
    pub(super) fn deliver_at(&mut self, name: &str, now: Duration) {
        // What comes into a queue at this instant may be delivered at this instant, even if its time is zero.
        let over = now.saturating_sub(INSTANT);
        self.drop_expired(name, over);
        while let Some((consumer, stored)) = self.next_delivery(name) {
            let Some(tag) = self.hand_out(name, &consumer, &stored) else { return };
            let deliver = basic::Deliver {
                consumer_tag: consumer.tag.as_str().into(),
                delivery_tag: tag,
                redelivered: stored.redelivered,
                exchange: stored.message.exchange.as_str().into(),
                routing_key: stored.message.routing_key.as_str().into(),
            };
            let method = AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver));
            self.send_content(consumer.connection, consumer.channel, method, name, &stored);
            self.drop_expired(name, over);
        }
        if self.queues.get(name).is_some_and(|queue| queue.deadline().is_some()) {
            self.deadline_moved.notify_one();
        }
    }

    fn next_delivery(&mut self, name: &str) -> Option<(Consumer, Stored)> {
        let Self { queues, clients, .. } = self;
        let queue = queues.get_mut(name)?;
        let (index, stored) = queue.next_delivery(|consumer| {
            let channels = clients.get(&consumer.connection).map(|client| &client.channels);
            channels.and_then(|all| all.get(&consumer.channel)).is_some_and(Channel::has_room)
        })?;
        let consumer = &mut queue.consumers[index];
        if !consumer.no_ack {
            consumer.in_flight += 1;
        }
        Some((consumer.clone(), stored))
    }

    /// Notes that a consumer has a message; its delivery tag.
    fn hand_out(&mut self, name: &str, consumer: &Consumer, stored: &Stored) -> Option<u64> {
        let incarnation = self.queues.get(name)?.incarnation;
        let channel = self.channel(consumer.connection, consumer.channel)?;
        channel.next_tag += 1;
        if !consumer.no_ack {
            let (queue, consumer) = (name.to_owned(), consumer.tag.clone());
            let unacked = Unacked { queue, incarnation, consumer, stored: stored.clone() };
            channel.unacked.insert(channel.next_tag, unacked);
        }
        Some(channel.next_tag)
    }

    /// A method with a message behind it.
    pub(super) fn send_content(
        &self,
        client: u64,
        channel: u16,
        method: AMQPClass,
        queue: &str,
        stored: &Stored,
    ) {
        let message = &stored.message;
        let mut properties = message.properties.clone();
        if let Some((name, value)) = self.header_of(queue, stored) {
            let mut headers = properties.headers().clone().unwrap_or_default();
            headers.insert(name.into(), AMQPValue::LongLongInt(i64::try_from(value).unwrap_or(i64::MAX)));
            properties = properties.with_headers(headers);
        }
        self.send(client, AMQPFrame::Method(channel, method));
        let header = AMQPContentHeader { class_id: 60, body_size: message.body.len() as u64, properties };
        self.send(client, AMQPFrame::Header(channel, header));
        let most = self.clients.get(&client).map_or(FRAME_BODY_MAX, |client| client.body_bytes_max);
        for part in message.body.chunks(most.max(1)) {
            self.send(client, AMQPFrame::Body(channel, part.to_vec()));
        }
    }

    /// What a queue adds to a message.
    fn header_of(&self, queue: &str, stored: &Stored) -> Option<(&'static str, u64)> {
        match self.queues.get(queue)?.kind() {
            Kind::Stream => Some(("x-stream-offset", stored.position)),
            Kind::Quorum if stored.returns > 0 => Some(("x-delivery-count", stored.returns)),
            _ => None,
        }
    }

    /// Acks or returns deliveries. False when the tag is unknown.
    pub(super) fn settle(
        &mut self,
        client: u64,
        channel: u16,
        tag: u64,
        multiple: bool,
        settlement: Settlement,
    ) -> bool {
        let Some(state) = self.channel(client, channel) else { return true };
        let tags: Vec<u64> = if multiple {
            state.unacked.keys().copied().filter(|known| tag == 0 || *known <= tag).collect()
        } else {
            state.unacked.contains_key(&tag).then_some(tag).into_iter().collect()
        };
        if tags.is_empty() {
            // Everything so far may be nothing.
            return multiple && tag == 0;
        }
        let settled: Vec<Unacked> = tags.iter().filter_map(|tag| state.unacked.remove(tag)).collect();
        let makes_room = state.prefetch_total > 0;
        let mut queues: BTreeSet<String> = settled.iter().map(|unacked| unacked.queue.clone()).collect();
        if makes_room {
            queues.extend(self.consumed_by(client, channel));
        }
        for unacked in settled {
            self.release(client, channel, unacked, settlement);
        }
        for queue in queues {
            self.drop_surplus(&queue);
            self.deliver(&queue);
        }
        true
    }

    fn consumed_by(&self, client: u64, channel: u16) -> Vec<String> {
        let consumed = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.consumers.iter().any(|consumer| consumer.is_of(client, channel)));
        consumed.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn release(&mut self, client: u64, channel: u16, unacked: Unacked, settlement: Settlement) {
        let Unacked { queue: name, incarnation, consumer: tag, stored } = unacked;
        let Some(queue) = self.queues.get_mut(&name).filter(|queue| queue.incarnation == incarnation) else {
            return;
        };
        if let Some(consumer) = queue.consumers.iter_mut().find(|c| c.is(client, channel, &tag)) {
            consumer.in_flight = consumer.in_flight.saturating_sub(1);
        }
        // A stream's message never left.
        if queue.is_stream() {
            return;
        }
        match settlement {
            Settlement::Ack => {}
            Settlement::Reject => self.bury(&name, &stored.message, Death::Rejected),
            Settlement::Requeue
                if queue.settings.delivery_limit.is_some_and(|most| stored.returns >= most) =>
            {
                self.bury(&name, &stored.message, Death::DeliveryLimit);
            }
            Settlement::Requeue => queue.requeue(stored),
        }
    }
}
