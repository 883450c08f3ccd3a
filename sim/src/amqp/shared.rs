use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amq_protocol::frame::AMQPFrame;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{
    broker::{BindingView, Broker, Client, QueueSnapshot},
    session::Session,
};

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
        broker.clients.insert(client, Client { name: String::new(), outbox, channels: Default::default() });
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

    /// From now on publishes are routed but not confirmed, or confirmed again.
    pub fn withhold_confirms(&self, withhold: bool) {
        self.lock().withholds_confirms = withhold;
    }
}
