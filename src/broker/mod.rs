//! What the protocol needs of a broker, and RabbitMQ.
//!
//! ```text
//!   Broker    two shared connections, rebuilt when they break; facts about queues
//!   Lane      one channel per migration: what breaks on it breaks nobody else's
//!   tail      where the replay queue ends, read on the second connection
//!   inbox     the replies that wait for their effect to be recorded
//!   preflight what of a queue's facts speaks against mirroring it (pure)
//! ```

mod error;
mod facts;
pub mod inbox;
pub mod preflight;
pub mod rabbitmq;
mod stream_tail;

use std::sync::Arc;

use async_trait::async_trait;
use ms2m_app::contract::{Command, Marker};

pub use error::BrokerError;
pub use facts::{BoundTo, ConsumerFacts, FactsSource, QueueFacts, QueueKind};
pub use stream_tail::StreamTail;

use self::inbox::ReplyInbox;
use crate::api::Binding;

/// A broker. Every call has a deadline of its own.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Facts about a queue, for the checks before the start; none when it does not exist.
    async fn inspect(&self, queue: &str) -> Result<Option<QueueFacts>, BrokerError>;

    /// A channel for one migration.
    async fn lane(&self) -> Result<Arc<dyn Lane>, BrokerError>;
}

/// One migration's channel. Everything is idempotent; after an error of the connection it is useless, and a new one is
/// asked for.
#[async_trait]
pub trait Lane: Send + Sync + 'static {
    /// Whether it still works.
    fn is_open(&self) -> bool;

    /// Declares a durable queue for replies.
    async fn declare_replies(&self, queue: &str) -> Result<(), BrokerError>;

    /// Declares the replay queue, a stream, and binds it.
    async fn mirror(&self, replay: &str, bindings: &[Binding]) -> Result<(), BrokerError>;

    /// Removes the replay queue's bindings. What is not there any more counts as done.
    async fn unbind(&self, replay: &str, bindings: &[Binding]) -> Result<(), BrokerError>;

    /// Deletes a queue; an absent one counts as deleted.
    async fn delete_queue(&self, queue: &str) -> Result<(), BrokerError>;

    /// Publishes a marker into a queue, persistently, and waits for the confirm.
    async fn publish_marker(&self, queue: &str, marker: &Marker) -> Result<(), BrokerError>;

    /// Puts a command into a pod's control queue, persistently, and waits for the confirm.
    async fn send_command(&self, pod_uid: &str, command: &Command) -> Result<(), BrokerError>;

    /// How many consume a queue; none when it does not exist.
    async fn consumers(&self, queue: &str) -> Result<Option<u32>, BrokerError>;

    /// Follows the end of a stream, whose messages the broker counts only every few seconds.
    async fn tail(&self, stream: &str) -> Result<StreamTail, BrokerError>;

    /// Collects the replies of a queue. `wake` is called for each that arrives, and when the inbox breaks.
    async fn replies(
        &self,
        queue: &str,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<ReplyInbox, BrokerError>;
}
