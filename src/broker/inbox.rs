//! The replies of a migration that wait for their effect to be recorded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use lapin::options::BasicAckOptions;
use ms2m_app::{
    contract::Reply,
    seeded_bug::{self, SeededBug},
};
use tokio::task::JoinHandle;

use crate::protocol::PendingReply;

/// Collects replies in order; each stays unacked until it is acked by id. Dropping it returns them to the queue.
pub struct ReplyInbox {
    shared: Arc<Mutex<Shared>>,
    channel: lapin::Channel,
    collector: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    pending: Vec<PendingReply>,
    /// The subscription ended: what is here may be delivered again elsewhere.
    broken: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ReplyInbox {
    pub(super) fn collect(
        channel: lapin::Channel,
        mut consumer: lapin::Consumer,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let theirs = shared.clone();
        let collector = tokio::spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                let reply = serde_json::from_slice::<Reply>(&delivery.data);
                if let Err(error) = &reply {
                    tracing::warn!(%error, "a reply cannot be parsed; it is ignored");
                }
                lock(&theirs).pending.push(PendingReply { id: delivery.delivery_tag, reply: reply.ok() });
                wake();
            }
            let mut shared = lock(&theirs);
            shared.broken = true;
            shared.pending.clear();
            drop(shared);
            wake();
        });
        Self { shared, channel, collector }
    }

    /// What waits, oldest first.
    pub fn snapshot(&self) -> Vec<PendingReply> {
        lock(&self.shared).pending.clone()
    }

    /// Whether it still collects; if not, open another.
    pub fn is_open(&self) -> bool {
        !lock(&self.shared).broken || seeded_bug::is(SeededBug::KeepLostChannel)
    }

    /// Acks replies whose effect is recorded. One that cannot be acked is delivered again, and changes nothing then.
    pub async fn ack(&self, ids: &[u64]) {
        lock(&self.shared).pending.retain(|pending| !ids.contains(&pending.id));
        for id in ids {
            if let Err(error) = self.channel.basic_ack(*id, BasicAckOptions::default()).await {
                tracing::debug!(%error, "a reply could not be acked");
                return;
            }
        }
    }
}

impl Drop for ReplyInbox {
    fn drop(&mut self) {
        self.collector.abort();
    }
}
