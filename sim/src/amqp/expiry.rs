use std::time::Duration;

use super::{SharedBroker, broker::Broker, queue::Queue};

/// The shortest time that there is.
pub(super) const INSTANT: Duration = Duration::from_nanos(1);

/// Does what the broker does by itself when its time has come, for as long as the broker runs: messages and queues expire.
pub async fn keep_time(broker: SharedBroker) {
    let moved = broker.lock().deadline_moved.clone();
    loop {
        let wait = broker.lock().pass_time();
        match wait {
            Some(wait) => tokio::select! {
                biased;
                () = moved.notified() => {}
                () = tokio::time::sleep(wait) => {}
            },
            None => moved.notified().await,
        }
    }
}

impl Queue {
    /// When something of it expires next.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let first = self.messages.front().and_then(|stored| stored.expires_at);
        first.into_iter().chain(self.unused_by()).min()
    }

    /// When it will have been without use for too long.
    fn unused_by(&self) -> Option<Duration> {
        self.settings.expires.filter(|_| self.consumers.is_empty()).map(|after| self.last_used + after)
    }
}

impl Broker {
    /// Does what is due, in order; how long it is until something else is.
    fn pass_time(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        loop {
            let deadlines = self.queues.iter().filter_map(|(name, queue)| Some((queue.deadline()?, name)));
            let (at, name) = deadlines.min().map(|(at, name)| (at, name.clone()))?;
            if let Some(wait) = at.checked_sub(now).filter(|wait| !wait.is_zero()) {
                return Some(wait);
            }
            if self.queues.get(&name).and_then(Queue::unused_by).is_some_and(|by| by <= now) {
                self.delete_queue(&name);
            } else {
                self.drop_expired(&name, at);
            }
        }
    }
}
