use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame},
    protocol::{AMQPClass, basic},
    types::{AMQPValue, FieldTable},
};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    exception::Exception,
    queue::{Message, Queue, Stored},
    routing::{Binding, Exchange},
};
use crate::report::Letter;

/// Everything that the broker knows. Synchronous; its order is that of its maps.
#[derive(Default)]
pub(super) struct Broker {
    pub(super) exchanges: BTreeMap<String, Exchange>,
    pub(super) bindings: Vec<Binding>,
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) clients: BTreeMap<u64, Client>,
    pub(super) next_client: u64,
    /// Publishes are routed, but not confirmed.
    pub(super) withholds_confirms: bool,
    pub(super) generated_names: u64,
    /// The last control messages, oldest first.
    pub(super) recent_control: VecDeque<Arc<Message>>,
    /// Every control message, as a report shows it.
    pub(super) letters: Vec<Letter>,
    /// How long after its confirm a binding is in force.
    pub(super) binding_delay: Option<Duration>,
    pub(super) refused_consumers: BTreeMap<String, u64>,
}

/// How many control messages are remembered.
const RECENT_CONTROL_MAX: usize = 32;

/// A connection.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) outbox: UnboundedSender<AMQPFrame>,
    pub(super) channels: BTreeMap<u16, Channel>,
    /// Bytes of a body in one frame, as it was negotiated.
    pub(super) body_bytes_max: usize,
}

/// A channel.
#[derive(Default)]
pub(super) struct Channel {
    pub(super) confirms: bool,
    pub(super) published: u64,
    pub(super) prefetch: u16,
    pub(super) next_tag: u64,
    pub(super) unacked: BTreeMap<u64, Unacked>,
    /// An exception was sent: everything but the client's answer is dropped.
    pub(super) closing: bool,
}

/// A delivery that was not acked.
pub(super) struct Unacked {
    pub(super) queue: String,
    pub(super) consumer: String,
    pub(super) stored: Stored,
}

/// A queue as an oracle sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// Its name.
    pub name: String,
    /// Messages ready; for a stream, all of them.
    pub ready: usize,
    /// Delivered and not acked.
    pub unacked: usize,
    /// Who consumes it.
    pub consumers: Vec<ConsumerView>,
}

/// A consumer as an oracle sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerView {
    /// The connection's name, as its client gave it.
    pub connection: String,
    /// Whether nobody else may consume.
    pub exclusive: bool,
}

/// A binding as an oracle sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingView {
    /// The exchange.
    pub exchange: String,
    /// The queue.
    pub queue: String,
    /// The routing key.
    pub routing_key: String,
}

impl Broker {
    pub(super) fn new() -> Self {
        let standard = [
            ("amq.direct", "direct"),
            ("amq.fanout", "fanout"),
            ("amq.topic", "topic"),
            ("amq.headers", "headers"),
        ];
        let exchange = |kind: &str| Exchange { kind: kind.to_owned(), durable: true, auto_delete: false };
        let exchanges = standard.into_iter().map(|(name, kind)| (name.to_owned(), exchange(kind))).collect();
        Self { exchanges, ..Self::default() }
    }

    pub(super) fn send(&self, client: u64, frame: AMQPFrame) {
        if let Some(client) = self.clients.get(&client) {
            // A client that is gone reads no more.
            let _ = client.outbox.send(frame);
        }
    }

    pub(super) fn channel(&mut self, client: u64, channel: u16) -> Option<&mut Channel> {
        self.clients.get_mut(&client)?.channels.get_mut(&channel)
    }

    /// Routes a message to every queue that wants it. False when there is none.
    pub(super) fn route(&mut self, message: Message) -> Result<bool, Exception> {
        let targets: BTreeSet<String> = if message.exchange.is_empty() {
            self.queues
                .contains_key(&message.routing_key)
                .then(|| message.routing_key.clone())
                .into_iter()
                .collect()
        } else {
            let exchange = self.exchanges.get(&message.exchange);
            let exchange = exchange.ok_or_else(|| Exception::no_exchange(&message.exchange))?;
            let bound = self.bindings.iter().filter(|binding| binding.exchange == message.exchange);
            bound
                .filter(|binding| self.is_in_force(binding) && binding.matches(&exchange.kind, &message))
                .map(|b| b.queue.clone())
                .collect()
        };
        let message = Arc::new(message);
        if message.is_control() {
            self.recent_control.push_back(message.clone());
            if self.recent_control.len() > RECENT_CONTROL_MAX {
                self.recent_control.pop_front();
            }
        }
        for target in &targets {
            if let Some(queue) = self.queues.get_mut(target) {
                queue.push(message.clone());
            }
            self.deliver(target);
        }
        Ok(!targets.is_empty())
    }

    /// Delivers what can be delivered.
    pub(super) fn deliver(&mut self, name: &str) {
        loop {
            let Some(queue) = self.queues.get_mut(name) else { return };
            let is_stream = queue.is_stream();
            let Some((index, stored)) = queue.next_delivery() else { return };
            let consumer = &mut queue.consumers[index];
            if !consumer.no_ack {
                consumer.in_flight += 1;
            }
            let consumer = consumer.clone();
            let Some(channel) = self.channel(consumer.connection, consumer.channel) else { return };
            channel.next_tag += 1;
            let tag = channel.next_tag;
            if !consumer.no_ack {
                let unacked = Unacked {
                    queue: name.to_owned(),
                    consumer: consumer.tag.clone(),
                    stored: stored.clone(),
                };
                channel.unacked.insert(tag, unacked);
            }
            let deliver = basic::Deliver {
                consumer_tag: consumer.tag.as_str().into(),
                delivery_tag: tag,
                redelivered: stored.redelivered,
                exchange: stored.message.exchange.as_str().into(),
                routing_key: stored.message.routing_key.as_str().into(),
            };
            let method = AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver));
            self.send_content(consumer.connection, consumer.channel, method, &stored, is_stream);
        }
    }

    /// A method with a message behind it.
    pub(super) fn send_content(
        &self,
        client: u64,
        channel: u16,
        method: AMQPClass,
        stored: &Stored,
        is_stream: bool,
    ) {
        let message = &stored.message;
        let mut properties = message.properties.clone();
        if is_stream {
            let mut headers = properties.headers().clone().unwrap_or_default();
            let offset = i64::try_from(stored.position).unwrap_or(i64::MAX);
            headers.insert("x-stream-offset".into(), AMQPValue::LongLongInt(offset));
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

    /// Acks or returns deliveries. False when the tag is unknown.
    pub(super) fn settle(
        &mut self,
        client: u64,
        channel: u16,
        tag: u64,
        multiple: bool,
        requeue: bool,
    ) -> bool {
        let Some(state) = self.channel(client, channel) else { return true };
        let tags: Vec<u64> = if multiple {
            state.unacked.keys().copied().filter(|known| tag == 0 || *known <= tag).collect()
        } else {
            state.unacked.contains_key(&tag).then_some(tag).into_iter().collect()
        };
        if tags.is_empty() {
            return multiple;
        }
        let settled: Vec<Unacked> = tags.iter().filter_map(|tag| state.unacked.remove(tag)).collect();
        let queues: BTreeSet<String> = settled.iter().map(|unacked| unacked.queue.clone()).collect();
        for unacked in settled {
            self.release(client, channel, unacked, requeue);
        }
        for queue in queues {
            self.deliver(&queue);
        }
        true
    }

    fn release(&mut self, client: u64, channel: u16, unacked: Unacked, requeue: bool) {
        let Some(queue) = self.queues.get_mut(&unacked.queue) else { return };
        if let Some(consumer) = queue.consumers.iter_mut().find(|c| c.is(client, channel, &unacked.consumer))
        {
            consumer.in_flight = consumer.in_flight.saturating_sub(1);
        }
        // A stream's message never left.
        if requeue && !queue.is_stream() {
            queue.requeue(unacked.stored);
        }
    }

    /// A channel ends: its consumers go, and what it had not acked returns to its queues.
    pub(super) fn end_channel(&mut self, client: u64, channel: u16) {
        let Some(state) = self.clients.get_mut(&client).and_then(|client| client.channels.remove(&channel))
        else {
            return;
        };
        let mut touched = BTreeSet::new();
        for (name, queue) in &mut self.queues {
            let before = queue.consumers.len();
            queue.consumers.retain(|consumer| (consumer.connection, consumer.channel) != (client, channel));
            if queue.consumers.len() != before {
                touched.insert(name.clone());
            }
        }
        for unacked in state.unacked.into_values() {
            touched.insert(unacked.queue.clone());
            self.release(client, channel, unacked, true);
        }
        for name in touched {
            self.delete_if_unused(&name);
            self.deliver(&name);
        }
    }

    fn delete_if_unused(&mut self, name: &str) {
        if self.queues.get(name).is_some_and(|queue| queue.auto_delete && queue.consumers.is_empty()) {
            self.delete_queue(name);
        }
    }

    /// A connection's channels end, and with them its consumers.
    pub(super) fn end_channels(&mut self, client: u64) {
        let Some(state) = self.clients.get(&client) else { return };
        for channel in state.channels.keys().copied().collect::<Vec<_>>() {
            self.end_channel(client, channel);
        }
    }

    /// A connection ends.
    pub(super) fn end_client(&mut self, client: u64) {
        self.end_channels(client);
        self.clients.remove(&client);
        let exclusive = self.queues.iter().filter(|(_, queue)| queue.exclusive == Some(client));
        for name in exclusive.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.delete_queue(&name);
        }
    }

    /// Deletes a queue; its consumers are told. Returns how many messages were ready.
    pub(super) fn delete_queue(&mut self, name: &str) -> usize {
        let Some(queue) = self.queues.remove(name) else { return 0 };
        self.bindings.retain(|binding| binding.queue != name);
        for consumer in &queue.consumers {
            let cancel = basic::Cancel { consumer_tag: consumer.tag.as_str().into(), nowait: true };
            let method = AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel));
            self.send(consumer.connection, AMQPFrame::Method(consumer.channel, method));
        }
        for client in self.clients.values_mut() {
            for channel in client.channels.values_mut() {
                channel.unacked.retain(|_, unacked| unacked.queue != name);
            }
        }
        queue.ready()
    }

    /// Restarts: connections are gone, what is durable stays.
    pub(super) fn restart(&mut self) {
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            self.end_client(client);
        }
        self.queues.retain(|_, queue| queue.durable);
        self.exchanges.retain(|_, exchange| exchange.durable);
        let (queues, exchanges) = (&self.queues, &self.exchanges);
        self.bindings.retain(|b| queues.contains_key(&b.queue) && exchanges.contains_key(&b.exchange));
        for queue in self.queues.values_mut() {
            queue.keep_persistent();
        }
    }

    pub(super) fn unacked_of(&self, name: &str) -> usize {
        let channels = self.clients.values().flat_map(|client| client.channels.values());
        channels.flat_map(|channel| channel.unacked.values()).filter(|unacked| unacked.queue == name).count()
    }

    pub(super) fn client_name(&self, client: u64) -> String {
        self.clients.get(&client).map(|client| client.name.clone()).unwrap_or_default()
    }

    pub(super) fn snapshot(&self) -> Vec<QueueSnapshot> {
        let view = |(name, queue): (&String, &Queue)| QueueSnapshot {
            name: name.clone(),
            ready: queue.ready(),
            unacked: self.unacked_of(name),
            consumers: queue
                .consumers
                .iter()
                .map(|c| ConsumerView { connection: self.client_name(c.connection), exclusive: c.exclusive })
                .collect(),
        };
        self.queues.iter().map(view).collect()
    }

    /// Whether messages are routed by it already.
    fn is_in_force(&self, binding: &Binding) -> bool {
        match (binding.since, self.binding_delay) {
            (Some(since), Some(delay)) => now() >= since + delay,
            _ => true,
        }
    }

    /// Keeps a control message for the report.
    pub(super) fn note_letter(&mut self, client: u64, message: &Message) {
        if message.is_control() {
            let letter = Letter::new(now(), self.client_name(client), &message.routing_key, &message.body);
            self.letters.push(letter);
        }
    }

    pub(super) fn bind(&mut self, binding: Binding) {
        if !self.bindings.iter().any(|known| known.is_same(&binding)) {
            self.bindings.push(binding);
        }
    }

    pub(super) fn unbind(&mut self, queue: &str, exchange: &str, routing_key: &str, arguments: &FieldTable) {
        self.bindings.retain(|binding| {
            (
                binding.queue.as_str(),
                binding.exchange.as_str(),
                binding.routing_key.as_str(),
                &binding.arguments,
            ) != (queue, exchange, routing_key, arguments)
        });
    }
}

/// Simulated time; none has passed outside a simulation.
pub(super) fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// Bytes of a body in one frame until another size is negotiated.
pub(super) const FRAME_BODY_MAX: usize = 65_536;
