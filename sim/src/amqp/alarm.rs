//! The memory alarm: <https://www.rabbitmq.com/docs/alarms>. A connection is blocked by its first publish under the alarm, and
//! told so; until the alarm is over nothing of it is read, not even its end. Whoever publishes nothing goes on.

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, connection},
    types::AMQPValue,
};

use super::{SharedBroker, broker::Broker};

impl Broker {
    pub(super) fn raise_memory_alarm(&mut self) {
        self.memory_alarm = true;
    }

    pub(super) fn end_memory_alarm(&mut self) {
        self.memory_alarm = false;
        for (client, state) in &mut self.clients {
            if std::mem::take(&mut state.is_blocked) {
                let unblocked = connection::AMQPMethod::Unblocked(connection::Unblocked {});
                tracing::debug!(client, "goes on after the memory alarm");
                // A client that is gone reads no more.
                let _ = state.outbox.send(AMQPFrame::Method(0, AMQPClass::Connection(unblocked)));
            }
        }
        self.alarm_over.notify_waiters();
    }

    /// Tells a client that nothing of it is read, if it wants to know.
    pub(super) fn block(&mut self, client: u64) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        let wants_to_know =
            state.capabilities.inner().get("connection.blocked") == Some(&AMQPValue::Boolean(true));
        if wants_to_know {
            state.is_blocked = true;
            let blocked = connection::Blocked { reason: "low on memory".into() };
            let method = AMQPClass::Connection(connection::AMQPMethod::Blocked(blocked));
            self.send(client, AMQPFrame::Method(0, method));
        }
    }
}

impl SharedBroker {
    /// Waits until there is memory for messages.
    pub(super) async fn memory(&self) {
        let over = self.lock().alarm_over.clone();
        loop {
            let mut heard = std::pin::pin!(over.notified());
            heard.as_mut().enable();
            if !self.lock().memory_alarm {
                return;
            }
            heard.await;
        }
    }
}
