use std::{sync::Arc, time::Duration};

use super::{
    broker::Broker, dead_letter::Death, exception::Exception, message::Message, queue::Stored,
    settings::Overflow,
};

/// How many control messages are remembered.
const RECENT_CONTROL_MAX: usize = 32;

/// What became of a message that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Routed {
    /// A queue wanted it.
    pub(super) wanted: bool,
    /// A full queue refused it.
    pub(super) refused: bool,
}

impl Broker {
    /// Puts a client's message into every queue that wants it.
    ///
    /// # Errors
    /// The exchange is not there or takes nothing of clients, or the message's expiration is none.
    pub(super) fn publish(&mut self, message: Message) -> Result<Routed, Exception> {
        message.expiration()?;
        if !message.exchange.is_empty() {
            let name = &message.exchange;
            let exchange = self.exchanges.get(name).ok_or_else(|| Exception::no_exchange(name))?;
            if exchange.internal {
                let text =
                    format!("ACCESS_REFUSED - cannot publish to internal exchange '{name}' in vhost '/'");
                return Err(Exception::new(403, text));
            }
        }
        let targets = self.targets(&message);
        let message = Arc::new(message);
        if message.is_control() {
            self.recent_control.push_back(message.clone());
            if self.recent_control.len() > RECENT_CONTROL_MAX {
                self.recent_control.pop_front();
            }
        }
        let mut routed = Routed { wanted: !targets.is_empty(), refused: false };
        for target in &targets {
            routed.refused |= !self.enqueue(target, &message);
        }
        Ok(routed)
    }

    /// Puts a message into a queue, and delivers what can be delivered. False when the queue is full and refuses it.
    pub(super) fn enqueue(&mut self, name: &str, message: &Arc<Message>) -> bool {
        let now = self.clock.now();
        let Some(queue) = self.queues.get_mut(name) else { return true };
        let overflow = queue.settings.overflow;
        if overflow != Overflow::DropHead && !queue.fits(1, message.body.len()) {
            if overflow == Overflow::RejectPublishDlx {
                self.bury(name, message, Death::MaxLength);
            }
            return false;
        }
        queue.push(message.clone(), now);
        self.deliver_at(name, now);
        self.drop_surplus(name);
        // A time of zero was over when nobody took the message.
        self.drop_expired(name, now);
        true
    }

    /// Makes dead letters of what a queue holds too much.
    pub(super) fn drop_surplus(&mut self, name: &str) {
        while let Some(Stored { message, .. }) =
            self.queues.get_mut(name).and_then(super::queue::Queue::take_surplus)
        {
            self.bury(name, &message, Death::MaxLength);
        }
    }

    /// Makes dead letters of what is first in a queue, and whose time was over by then.
    pub(super) fn drop_expired(&mut self, name: &str, by: Duration) {
        while let Some(Stored { message, .. }) =
            self.queues.get_mut(name).and_then(|queue| queue.take_expired(by))
        {
            self.bury(name, &message, Death::Expired);
        }
    }
}
