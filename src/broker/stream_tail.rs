//! Where a stream ends. RabbitMQ counts a stream's messages only every few seconds, so its end is read instead: each
//! delivery says its offset.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use lapin::{message::Delivery, options::BasicAckOptions, types::AMQPValue};
use tokio::task::JoinHandle;

/// Header of a stream's deliveries: the position of the message, from 0.
const HEADER_OFFSET: &str = "x-stream-offset";
/// A stream that shows nothing for this long after it was opened at its last message has none.
const EMPTY_AFTER: Duration = Duration::from_secs(1);

/// Follows the end of a stream; dropping it ends that.
pub struct StreamTail {
    shared: Arc<Mutex<Shared>>,
    follower: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct Shared {
    end: Option<u64>,
    broken: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StreamTail {
    /// Follows `consumer`, which was opened at the stream's last message.
    pub(super) fn follow(mut consumer: lapin::Consumer) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let theirs = shared.clone();
        let follower = tokio::spawn(async move {
            let first = tokio::time::timeout(EMPTY_AFTER, consumer.next()).await;
            if first.is_err() {
                lock(&theirs).end = Some(0);
            }
            let mut next = match first {
                Ok(first) => first,
                Err(_) => consumer.next().await,
            };
            while let Some(Ok(delivery)) = next {
                if let Some(offset) = offset(&delivery) {
                    lock(&theirs).end = Some(offset + 1);
                }
                // Of a stream an ack removes nothing: it asks for the next message.
                if delivery.acker.ack(BasicAckOptions::default()).await.is_err() {
                    break;
                }
                next = consumer.next().await;
            }
            lock(&theirs).broken = true;
        });
        Self { shared, follower }
    }

    /// How many messages were ever written to it; none while that is not known.
    pub fn end(&self) -> Option<u64> {
        lock(&self.shared).end
    }

    /// Whether it still follows; if not, open another.
    pub fn is_open(&self) -> bool {
        !lock(&self.shared).broken
    }
}

impl Drop for StreamTail {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

fn offset(delivery: &Delivery) -> Option<u64> {
    match delivery.properties.headers().as_ref()?.inner().get(HEADER_OFFSET)? {
        AMQPValue::LongLongInt(offset) => u64::try_from(*offset).ok(),
        _ => None,
    }
}
