use std::{collections::BTreeSet, time::Duration};

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, basic, channel},
};

use super::{
    broker::{Broker, Channel},
    delivery::Settlement,
    exception::Exception,
    queue::Queue,
    routing::{Binding, Destination},
};

/// How long after a restart streams have no leader yet. RabbitMQ answers before that: connections, classic and quorum queues
/// are back earlier.
const STREAM_RECOVERY: Duration = Duration::from_millis(300);

/// What ends: consumers, channels, connections, queues, exchanges, and the broker's own run.
impl Broker {
    /// A consumer goes; what it has not acked stays with its channel.
    pub(super) fn cancel_consumer(&mut self, client: u64, channel: u16, tag: &str) {
        let is_it = |consumer: &super::consumer::Consumer| consumer.is(client, channel, tag);
        let found = self.queues.iter().find(|(_, queue)| queue.consumers.iter().any(is_it));
        let Some(name) = found.map(|(name, _)| name.clone()) else { return };
        self.remove_consumers(&name, is_it);
        self.after_consumers_left(&name);
    }

    /// A channel ends: its consumers go, and what it had not acked returns to its queues.
    pub(super) fn end_channel(&mut self, client: u64, channel: u16) {
        let Some(state) = self.clients.get_mut(&client).and_then(|client| client.channels.remove(&channel))
        else {
            return;
        };
        let (mut left, mut touched) = (BTreeSet::new(), BTreeSet::new());
        for name in self.queues.keys().cloned().collect::<Vec<_>>() {
            if self.remove_consumers(&name, |consumer| consumer.is_of(client, channel)) {
                left.insert(name);
            }
        }
        for unacked in state.unacked.into_values() {
            touched.insert(unacked.queue.clone());
            self.release(client, channel, unacked, Settlement::Requeue);
        }
        for name in left.union(&touched) {
            self.drop_surplus(name);
            if left.contains(name) {
                self.after_consumers_left(name);
            } else {
                self.deliver(name);
            }
        }
    }

    /// The broker closes a channel: its consumers end, and what it had not acked returns before the client has answered.
    /// Whatever else comes for the channel until then is dropped.
    pub(super) fn close_channel(&mut self, client: u64, channel: u16, exception: &Exception) {
        self.end_channel(client, channel);
        if let Some(client) = self.clients.get_mut(&client) {
            client.channels.insert(channel, Channel { closing: true, ..Channel::default() });
        }
        let (reply_code, reply_text) = (exception.code, exception.text.as_str().into());
        let close = channel::Close { reply_code, reply_text, class_id: 0, method_id: 0 };
        self.send(client, AMQPFrame::Method(channel, AMQPClass::Channel(channel::AMQPMethod::Close(close))));
    }

    fn remove_consumers(&mut self, name: &str, which: impl Fn(&super::consumer::Consumer) -> bool) -> bool {
        let now = self.clock.now();
        let Some(queue) = self.queues.get_mut(name) else { return false };
        let before = queue.consumers.len();
        queue.consumers.retain(|consumer| !which(consumer));
        let left = queue.consumers.len() != before;
        if left {
            queue.last_used = now;
        }
        left
    }

    /// A queue without consumers may go; another consumer may get what one has left.
    fn after_consumers_left(&mut self, name: &str) {
        if self.queues.get(name).is_some_and(|queue| queue.auto_delete && queue.consumers.is_empty()) {
            self.delete_queue(name);
        }
        self.deliver(name);
    }

    /// A connection's channels end, and with them its consumers and its own queues.
    pub(super) fn end_channels(&mut self, client: u64) {
        let Some(state) = self.clients.get(&client) else { return };
        for channel in state.channels.keys().copied().collect::<Vec<_>>() {
            self.end_channel(client, channel);
        }
        let exclusive = self.queues.iter().filter(|(_, queue)| queue.exclusive == Some(client));
        for name in exclusive.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.delete_queue(&name);
        }
    }

    /// A connection ends.
    pub(super) fn end_client(&mut self, client: u64) {
        self.end_channels(client);
        self.clients.remove(&client);
    }

    /// Deletes a queue; its consumers are told. Returns how many messages were ready.
    pub(super) fn delete_queue(&mut self, name: &str) -> usize {
        let Some(queue) = self.queues.remove(name) else { return 0 };
        self.remove_bindings(|binding| binding.destination.is_queue(name));
        for consumer in &queue.consumers {
            let cancel = basic::Cancel { consumer_tag: consumer.tag.as_str().into(), nowait: true };
            let method = AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel));
            self.send(consumer.connection, AMQPFrame::Method(consumer.channel, method));
        }
        queue.ready()
    }

    /// Deletes an exchange, and what is bound to it or by it.
    pub(super) fn delete_exchange(&mut self, name: &str) {
        if self.exchanges.remove(name).is_some() {
            self.remove_bindings(|binding| binding.exchange == name || binding.destination.is_exchange(name));
        }
    }

    /// An exchange that was declared so goes when nothing is bound to it any more.
    pub(super) fn delete_exchange_if_unused(&mut self, name: &str) {
        let passing = self.exchanges.get(name).is_some_and(|exchange| exchange.auto_delete);
        if passing && !self.bindings.iter().any(|binding| binding.exchange == name) {
            self.delete_exchange(name);
        }
    }

    fn remove_bindings(&mut self, which: impl Fn(&Binding) -> bool) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.bindings).into_iter().partition(|binding| which(binding));
        self.bindings = kept;
        for binding in gone {
            self.delete_exchange_if_unused(&binding.exchange);
        }
    }

    /// Restarts: connections are gone, what is durable stays.
    pub(super) fn restart(&mut self) {
        for client in self.clients.keys().copied().collect::<Vec<_>>() {
            self.end_client(client);
        }
        self.queues.retain(|_, queue| queue.durable);
        self.exchanges.retain(|_, exchange| exchange.durable);
        let (queues, exchanges) = (&self.queues, &self.exchanges);
        self.bindings.retain(|binding| {
            let destination = match &binding.destination {
                Destination::Queue(queue) => queues.contains_key(queue),
                Destination::Exchange(exchange) => exchanges.contains_key(exchange),
            };
            destination && exchanges.contains_key(&binding.exchange)
        });
        self.queues.values_mut().for_each(Queue::keep_persistent);
        self.streams_back_at = self.clock.now() + STREAM_RECOVERY;
    }
}
