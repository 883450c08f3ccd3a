use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use amq_protocol::{frame::AMQPFrame, types::AMQPValue};
use ms2m_app::contract::{HEADER_PRODUCER, HEADER_SEQ};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    broker::{BindingView, Broker, Client, FRAME_BODY_MAX, QueueSnapshot},
    queue::{Message, Queue, text},
    routing::{Binding, Exchange},
    session::Session,
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
        let channels = Default::default();
        let fresh = Client { name: String::new(), outbox, channels, body_bytes_max: FRAME_BODY_MAX };
        broker.clients.insert(client, fresh);
        (client, Session::new(client), frames)
    }

    /// Every queue, by name.
    pub fn queues(&self) -> Vec<QueueSnapshot> {
        self.lock().snapshot()
    }

    /// Every binding, in order.
    pub fn bindings(&self) -> Vec<BindingView> {
        let broker = self.lock();
        let mut bindings: Vec<BindingView> = broker
            .bindings
            .iter()
            .map(|binding| BindingView {
                exchange: binding.exchange.clone(),
                queue: binding.queue.clone(),
                routing_key: binding.routing_key.clone(),
            })
            .collect();
        bindings.sort();
        bindings
    }

    /// Restarts: every connection drops, what is durable stays.
    pub fn restart(&self) {
        self.lock().restart();
    }

    /// Drops the connections that a client named so, without a word.
    pub fn drop_connections(&self, name: &str) {
        let mut broker = self.lock();
        let named: Vec<u64> = broker
            .clients
            .iter()
            .filter(|(_, client)| client.name == name)
            .map(|(client, _)| *client)
            .collect();
        for client in named {
            broker.end_client(client);
        }
    }

    /// Puts every control message of the last while into its queue once more, the latest first, as a broker that delivers
    /// at least once may: commands, replies and markers. What has lost its queue is left out.
    pub fn repeat_control(&self) -> usize {
        let mut broker = self.lock();
        let recent: Vec<_> = broker.recent_control.iter().rev().cloned().collect();
        let mut repeated = 0;
        for message in recent {
            let queue = message.routing_key.clone();
            if let Some(known) = broker.queues.get_mut(&queue) {
                known.push(message);
                repeated += 1;
                broker.deliver(&queue);
            }
        }
        repeated
    }

    /// From now on bindings that are made are in force only so long after they are confirmed, as in a cluster; or at once
    /// again, those that wait included.
    pub fn delay_bindings(&self, by: Option<Duration>) {
        self.lock().binding_delay = by;
    }

    /// Deletes a queue, past the network.
    pub fn delete_queue(&self, name: &str) {
        self.lock().delete_queue(name);
    }

    /// How often a consumer of a queue was refused, because another has it.
    pub fn refused_consumers(&self, queue: &str) -> u64 {
        self.lock().refused_consumers.get(queue).copied().unwrap_or_default()
    }

    /// Every control message so far.
    pub fn letters(&self) -> Vec<Letter> {
        self.lock().letters.clone()
    }

    /// Adds a binding, past the network.
    pub fn bind(&self, binding: &BindingView) {
        let BindingView { exchange, queue, routing_key } = binding.clone();
        let arguments = Default::default();
        self.lock().bind(Binding { exchange, queue, routing_key, arguments, since: None });
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
        let mut broker = self.lock();
        let (kind, name) = (kind.to_owned(), exchange.to_owned());
        broker.exchanges.entry(name).or_insert(Exchange { kind, durable: true, auto_delete: false });
        broker.bind(Binding {
            exchange: exchange.to_owned(),
            queue: queue.to_owned(),
            routing_key: routing_key.to_owned(),
            arguments: Default::default(),
            since: None,
        });
    }

    /// Puts a durable queue there that only the default exchange feeds.
    pub fn provide_queue(&self, queue: &str) {
        let durable = || Queue { durable: true, ..Queue::default() };
        self.lock().queues.entry(queue.to_owned()).or_insert_with(durable);
    }

    /// Producer and sequence of every ready message of a queue, in order; what carries none is left out.
    pub fn identities(&self, queue: &str) -> Vec<(String, u64)> {
        let broker = self.lock();
        let Some(queue) = broker.queues.get(queue) else { return Vec::new() };
        queue.messages.iter().filter_map(|stored| identity(&stored.message)).collect()
    }
}

fn identity(message: &Message) -> Option<(String, u64)> {
    let headers = message.properties.headers().as_ref()?;
    let producer = text(headers, HEADER_PRODUCER)?;
    match headers.inner().get(HEADER_SEQ)? {
        AMQPValue::LongLongInt(seq) => Some((producer, u64::try_from(*seq).ok()?)),
        _ => None,
    }
}
