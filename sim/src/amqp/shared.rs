use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use amq_protocol::{
    frame::AMQPFrame,
    protocol::basic::AMQPProperties,
    types::{AMQPValue, FieldTable},
};
use ms2m_app::contract::{HEADER_PRODUCER, HEADER_SEQ, MessageId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    acts::Act,
    broker::{Broker, Client},
    exception::Exception,
    message::{Message, text},
    queue::Queue,
    routing::{Binding, Destination, Exchange},
    session::Session,
    settings::Settings,
    view::{BindingView, QueueSnapshot},
};
use crate::report::Letter;

/// A broker that several connections share; it outlives the host that serves it, as a disk does.
#[derive(Clone)]
pub struct SharedBroker(Arc<Mutex<Broker>>);

impl Default for SharedBroker {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Broker::new())))
    }
}

impl SharedBroker {
    pub(super) fn lock(&self) -> MutexGuard<'_, Broker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn accept(&self) -> (u64, Session, UnboundedReceiver<AMQPFrame>) {
        let (outbox, frames) = unbounded_channel();
        let mut broker = self.lock();
        broker.next_client += 1;
        let client = broker.next_client;
        broker.clients.insert(client, Client::new(outbox));
        (client, Session::new(client), frames)
    }

    /// Every queue, by name.
    pub fn queues(&self) -> Vec<QueueSnapshot> {
        self.lock().snapshot()
    }

    /// Every binding of a queue, in order.
    pub fn bindings(&self) -> Vec<BindingView> {
        self.lock().binding_views()
    }

    /// Restarts: every connection drops, what is durable stays.
    pub fn restart(&self) {
        self.lock().restart();
    }

    /// From now on nothing is read of a connection that publishes.
    pub fn raise_memory_alarm(&self) {
        self.lock().raise_memory_alarm();
    }

    /// What was blocked goes on.
    pub fn end_memory_alarm(&self) {
        self.lock().end_memory_alarm();
    }

    /// Drops the connections that a client named so, without a word. Returns how many there were.
    pub fn drop_connections(&self, name: &str) -> usize {
        let mut broker = self.lock();
        let named = broker.named(name);
        for client in &named {
            broker.end_client(*client);
        }
        named.len()
    }

    /// Closes every channel of the connections that a client named so, as RabbitMQ closes one whose consumer has not acked
    /// a delivery for half an hour. The connections stay. Returns how many channels there were.
    pub fn close_channels(&self, name: &str) -> usize {
        let mut broker = self.lock();
        let of = |client| broker.open_channels(client).into_iter().map(move |channel| (client, channel));
        let open: Vec<(u64, u16)> = broker.named(name).into_iter().flat_map(of).collect();
        for (client, channel) in &open {
            broker.close_channel(*client, *channel, &Exception::late_ack(*channel));
        }
        open.len()
    }

    /// Puts every control message of the last while into its queue once more, the latest first, as a broker that delivers
    /// at least once may: commands, replies and markers. What has lost its queue is left out.
    pub fn repeat_control(&self) -> usize {
        let mut broker = self.lock();
        let recent: Vec<_> = broker.recent_control.iter().rev().cloned().collect();
        let mut repeated = 0;
        for message in recent {
            let queue = message.routing_key.clone();
            if broker.queues.contains_key(&queue) {
                broker.enqueue(&queue, &message);
                repeated += 1;
            }
        }
        repeated
    }

    /// Puts a message into a queue, past the network; false where the queue is not there.
    pub fn post(&self, queue: &str, body: Vec<u8>) -> bool {
        let properties = AMQPProperties::default().with_delivery_mode(2);
        let message = Message { exchange: String::new(), routing_key: queue.to_owned(), properties, body };
        let mut broker = self.lock();
        broker.queues.contains_key(queue) && broker.enqueue(queue, &Arc::new(message))
    }

    /// From now on bindings that are made are in force only so long after they are confirmed, as in a cluster; or at once
    /// again, those that wait included.
    pub fn delay_bindings(&self, by: Option<Duration>) {
        self.lock().binding_delay = by;
    }

    /// Deletes a queue, past the network; false where there is none.
    pub fn delete_queue(&self, name: &str) -> bool {
        let mut broker = self.lock();
        let is_there = broker.queues.contains_key(name);
        broker.delete_queue(name);
        is_there
    }

    /// Who was refused as a consumer of a queue, and who had it; as their connections are named.
    pub fn refused_consumers(&self, queue: &str) -> BTreeSet<(String, String)> {
        self.lock().refused_consumers.get(queue).cloned().unwrap_or_default()
    }

    /// Every control message so far.
    pub fn letters(&self) -> Vec<Letter> {
        self.letters_since(0)
    }

    /// The control messages after the first so many.
    pub fn letters_since(&self, count: usize) -> Vec<Letter> {
        self.lock().letters.get(count..).unwrap_or_default().to_vec()
    }

    /// From now on it is noted what clients of that name do.
    pub fn watch_client(&self, name: &str) {
        self.lock().acts.watch(name);
    }

    /// What they did, after the first so many acts.
    pub fn acts_since(&self, count: usize) -> Vec<Act> {
        self.lock().acts.since(count)
    }

    /// How many of the acts may have changed something: declares, binds, unbinds, purges, deletes and publishes.
    pub fn changes(&self) -> u32 {
        self.lock().acts.changes()
    }

    /// How many methods they have called, acks included and heartbeats not.
    pub fn calls(&self) -> u64 {
        self.lock().acts.calls()
    }

    /// How often anybody asked the management API.
    pub fn management_requests(&self) -> u64 {
        self.lock().management_requests
    }

    /// Adds a binding, past the network; its arguments are texts.
    pub fn bind(&self, binding: &BindingView) {
        let BindingView { exchange, queue, routing_key, arguments } = binding.clone();
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        self.lock().bind(Binding { arguments: table, ..bound(exchange, queue, routing_key) });
    }

    /// From now on publishes are routed but not confirmed, or confirmed again.
    pub fn withhold_confirms(&self, withhold: bool) {
        self.lock().withholds_confirms = withhold;
    }
}

impl SharedBroker {
    /// Puts an exchange there, and a durable queue bound to it, past the network: for the set-up of a scenario.
    pub fn provide(&self, exchange: &str, kind: &str, queue: &str, routing_key: &str) {
        self.provide_queue(queue);
        self.provide_exchange(exchange, kind);
        self.lock().bind(bound(exchange.to_owned(), queue.to_owned(), routing_key.to_owned()));
    }

    /// Puts a durable exchange there, unless one of that name is.
    pub fn provide_exchange(&self, exchange: &str, kind: &str) {
        self.lock().exchanges.entry(exchange.to_owned()).or_insert_with(|| Exchange::durable(kind));
    }

    /// Puts a durable queue there that only the default exchange feeds.
    pub fn provide_queue(&self, queue: &str) {
        self.provide_queue_with(queue, FieldTable::default(), false);
    }

    /// The same with arguments, and perhaps gone with its last consumer.
    pub fn provide_queue_with(&self, queue: &str, arguments: FieldTable, auto_delete: bool) {
        let settings = Settings::of(&arguments, queue).expect("the scenario's own arguments are valid");
        let made = Queue { durable: true, auto_delete, arguments, settings, ..Queue::default() };
        self.lock().create_queue(queue, made);
    }

    /// Puts a message into a queue that somebody published before the scenario began.
    pub fn provide_message(&self, queue: &str, id: &MessageId, body: Vec<u8>) {
        let mut headers = FieldTable::default();
        headers.insert(HEADER_PRODUCER.into(), AMQPValue::LongString(id.producer.as_str().into()));
        headers.insert(HEADER_SEQ.into(), AMQPValue::LongLongInt(i64::try_from(id.seq).unwrap_or(i64::MAX)));
        let properties = AMQPProperties::default().with_headers(headers).with_delivery_mode(2);
        let message = Message { exchange: String::new(), routing_key: queue.to_owned(), properties, body };
        self.lock().enqueue(queue, &Arc::new(message));
    }

    /// Producer and sequence of every ready message of a queue, in order; what carries none is left out.
    pub fn identities(&self, queue: &str) -> Vec<(String, u64)> {
        let broker = self.lock();
        let Some(queue) = broker.queues.get(queue) else { return Vec::new() };
        queue.messages.iter().filter_map(|stored| identity(&stored.message)).collect()
    }

    /// The same of those that come after the first `known` of a queue from which nobody takes anything, and how many it has.
    pub fn identities_since(&self, queue: &str, known: usize) -> (Vec<(String, u64)>, usize) {
        let broker = self.lock();
        let Some(queue) = broker.queues.get(queue) else { return (Vec::new(), 0) };
        let since = queue.messages.iter().skip(known);
        (since.filter_map(|stored| identity(&stored.message)).collect(), queue.messages.len())
    }

    /// The same of what stands before the first message whose body `ends` it; of everything where none does.
    pub fn identities_before(&self, queue: &str, ends: impl Fn(&[u8]) -> bool) -> Vec<(String, u64)> {
        let broker = self.lock();
        let Some(queue) = broker.queues.get(queue) else { return Vec::new() };
        let before = queue.messages.iter().take_while(|stored| !ends(&stored.message.body));
        before.filter_map(|stored| identity(&stored.message)).collect()
    }
}

fn bound(exchange: String, queue: String, routing_key: String) -> Binding {
    let destination = Destination::Queue(queue);
    Binding { exchange, destination, routing_key, arguments: FieldTable::default(), since: None }
}

fn identity(message: &Message) -> Option<(String, u64)> {
    let headers = message.properties.headers().as_ref()?;
    let producer = text(headers, HEADER_PRODUCER)?;
    match headers.inner().get(HEADER_SEQ)? {
        AMQPValue::LongLongInt(seq) => Some((producer, u64::try_from(*seq).ok()?)),
        _ => None,
    }
}
