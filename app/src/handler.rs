use std::time::Duration;

use crate::contract::MessageId;

/// What a service does with a message. Its state is a deterministic function of the messages applied.
///
/// Handlers of messages of *different* producers must commute: the replay queue may interleave producers differently
/// from the primary queue. They must not look at clocks, random values or anything else outside `state` and `message`.
pub trait Handler: Send + Sync + 'static {
    /// What the service keeps in RAM.
    type State: Clone + Default + Send + 'static;

    /// Applies one message. Called once per message, in its producer's order.
    ///
    /// A malformed message must leave `state` alone: it goes to the dead-letter queue and is counted.
    fn apply(&self, state: &mut Self::State, message: &Message) -> Result<Option<Output>, Malformed>;

    /// How long the work on a message takes besides, such as a call to another service.
    fn cost(&self, _message: &Message) -> Duration {
        Duration::ZERO
    }
}

/// A message of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who published it, and its place in that producer's order.
    pub id: MessageId,
    /// Routing key that it was published with.
    pub routing_key: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a message makes the service say. Its identity is its input's, so that its consumers can deduplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exchange to publish to.
    pub exchange: String,
    /// Routing key.
    pub routing_key: String,
    /// Body.
    pub body: Vec<u8>,
}

/// Why a handler does not understand a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(pub String);
