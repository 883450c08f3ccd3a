use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, basic, channel, queue},
};
use serde_json::Value;

use super::{broker::Broker, message::Message};

/// Something that a client did, or tried to do, on one of its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Which connection it was, of all that there ever were.
    pub client: u64,
    /// Which of its channels.
    pub channel: u16,
    /// What it was.
    pub deed: Deed,
    /// The queue that it was about; where something was published, the queue that it was addressed to.
    pub queue: String,
}

/// What a client may do to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A channel of that number begins; it has nothing to do with the one before it.
    OpenChannel,
    /// It is asked for, and left as it is.
    Look,
    /// It is made, unless it is there.
    Declare,
    /// It is bound.
    Bind {
        /// The exchange.
        exchange: String,
        /// The binding's key.
        routing_key: String,
    },
    /// A binding of it is removed.
    Unbind {
        /// The exchange.
        exchange: String,
        /// The binding's key.
        routing_key: String,
    },
    /// It is emptied.
    Purge,
    /// It is deleted.
    Delete,
    /// It is read.
    Read,
    /// A message is published.
    Publish {
        /// The exchange; empty for the default one.
        exchange: String,
        /// UID of the migration that a message of the protocol names.
        migration: String,
    },
    /// Exchanges are made, bound or deleted.
    ShapeExchanges,
}

impl Deed {
    /// Whether it may change something at the broker, whatever comes of it. To look, to read, to ack and to open a channel
    /// change nothing that another client sees.
    fn changes(&self) -> bool {
        match self {
            Self::OpenChannel | Self::Look | Self::Read => false,
            Self::Declare
            | Self::Bind { .. }
            | Self::Unbind { .. }
            | Self::Purge
            | Self::Delete
            | Self::Publish { .. }
            | Self::ShapeExchanges => true,
        }
    }
}

/// What the clients of one name did.
#[derive(Default)]
pub(super) struct Acts {
    /// The name; nobody is watched while it is empty.
    of: String,
    /// How many methods they called, acks included.
    calls: u64,
    /// How many of the acts may have changed something.
    changes: u32,
    list: Vec<Act>,
}

impl Acts {
    pub(super) fn watch(&mut self, name: &str) {
        name.clone_into(&mut self.of);
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn changes(&self) -> u32 {
        self.changes
    }

    fn keep(&mut self, act: Act) {
        self.changes += u32::from(act.deed.changes());
        self.list.push(act);
    }

    pub(super) fn since(&self, count: usize) -> Vec<Act> {
        self.list.get(count..).unwrap_or_default().to_vec()
    }
}

impl Broker {
    fn is_watched(&self, client: u64) -> bool {
        !self.acts.of.is_empty()
            && self.clients.get(&client).is_some_and(|client| client.name == self.acts.of)
    }

    /// Counts what a client says, heartbeats excepted, and keeps what it does to queues; a publish is kept when the whole of
    /// it has arrived.
    pub(super) fn note_frame(&mut self, client: u64, frame: &AMQPFrame) {
        let AMQPFrame::Method(channel, method) = frame else { return };
        if !self.is_watched(client) {
            return;
        }
        self.acts.calls += 1;
        if let Some((deed, queue)) = deed_of(method) {
            self.acts.keep(Act { client, channel: *channel, deed, queue });
        }
    }

    /// Keeps what a client publishes.
    pub(super) fn note_publish(&mut self, client: u64, channel: u16, message: &Message) {
        if !self.is_watched(client) {
            return;
        }
        let says = serde_json::from_slice::<Value>(&message.body).unwrap_or_default();
        let migration = says["migration"].as_str().unwrap_or_default().to_owned();
        let deed = Deed::Publish { exchange: message.exchange.clone(), migration };
        self.acts.keep(Act { client, channel, deed, queue: message.routing_key.clone() });
    }
}

fn deed_of(method: &AMQPClass) -> Option<(Deed, String)> {
    use queue::AMQPMethod as Q;
    Some(match method {
        AMQPClass::Channel(channel::AMQPMethod::Open(_)) => (Deed::OpenChannel, String::new()),
        AMQPClass::Queue(Q::Declare(declare)) => {
            (if declare.passive { Deed::Look } else { Deed::Declare }, declare.queue.to_string())
        }
        AMQPClass::Queue(Q::Bind(bind)) => {
            let (exchange, routing_key) = (bind.exchange.to_string(), bind.routing_key.to_string());
            (Deed::Bind { exchange, routing_key }, bind.queue.to_string())
        }
        AMQPClass::Queue(Q::Unbind(unbind)) => {
            let (exchange, routing_key) = (unbind.exchange.to_string(), unbind.routing_key.to_string());
            (Deed::Unbind { exchange, routing_key }, unbind.queue.to_string())
        }
        AMQPClass::Queue(Q::Purge(purge)) => (Deed::Purge, purge.queue.to_string()),
        AMQPClass::Queue(Q::Delete(delete)) => (Deed::Delete, delete.queue.to_string()),
        AMQPClass::Basic(basic::AMQPMethod::Get(get)) => (Deed::Read, get.queue.to_string()),
        AMQPClass::Basic(basic::AMQPMethod::Consume(consume)) => (Deed::Read, consume.queue.to_string()),
        AMQPClass::Exchange(_) => (Deed::ShapeExchanges, String::new()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_change_something_counts() {
        let mut acts = Acts::default();
        let mut changes = |deed| {
            let before = acts.changes();
            acts.keep(Act { client: 1, channel: 1, deed, queue: "q".to_owned() });
            acts.changes() - before
        };
        let (exchange, routing_key, migration) = (String::new(), String::new(), String::new());
        let bind = Deed::Bind { exchange: exchange.clone(), routing_key: routing_key.clone() };
        let unbind = Deed::Unbind { exchange: exchange.clone(), routing_key };
        let publish = Deed::Publish { exchange, migration };
        for deed in [Deed::Declare, bind, unbind, Deed::Purge, Deed::Delete, publish, Deed::ShapeExchanges] {
            assert_eq!(changes(deed.clone()), 1, "{deed:?}");
        }
        for deed in [Deed::OpenChannel, Deed::Look, Deed::Read] {
            assert_eq!(changes(deed.clone()), 0, "{deed:?}");
        }
    }
}
