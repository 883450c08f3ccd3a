use std::collections::BTreeMap;

use amq_protocol::types::{AMQPValue, ShortString};

use super::{broker::Broker, queue::Queue};

/// A queue as an oracle sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// Its name.
    pub name: String,
    /// Messages ready; for a stream, all of them.
    pub ready: usize,
    /// Delivered and not acked.
    pub unacked: usize,
    /// Who consumes it, in the order in which they came.
    pub consumers: Vec<ConsumerView>,
    /// Whether only the first of them gets messages, until it goes.
    pub single_active: bool,
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
    /// Its arguments; what is no text is written as it is debugged.
    pub arguments: BTreeMap<String, String>,
}

fn words((name, value): (&ShortString, &AMQPValue)) -> (String, String) {
    let value = match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        other => format!("{other:?}"),
    };
    (name.to_string(), value)
}

impl Broker {
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
            single_active: queue.settings.single_active,
        };
        self.queues.iter().map(view).collect()
    }

    /// The bindings of queues, in order.
    pub(super) fn binding_views(&self) -> Vec<BindingView> {
        let view = |binding: &super::routing::Binding| {
            Some(BindingView {
                exchange: binding.exchange.clone(),
                queue: binding.destination.queue()?.to_owned(),
                routing_key: binding.routing_key.clone(),
                arguments: binding.arguments.inner().iter().map(words).collect(),
            })
        };
        let mut bindings: Vec<BindingView> = self.bindings.iter().filter_map(view).collect();
        bindings.sort();
        bindings
    }

    pub(super) fn unacked_of(&self, name: &str) -> usize {
        let Some(incarnation) = self.queues.get(name).map(|queue| queue.incarnation) else { return 0 };
        let channels = self.clients.values().flat_map(|client| client.channels.values());
        let unacked = channels.flat_map(|channel| channel.unacked.values());
        unacked.filter(|unacked| unacked.queue == name && unacked.incarnation == incarnation).count()
    }
}
