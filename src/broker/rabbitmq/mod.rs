//! RabbitMQ: AMQP 0.9.1 by `lapin`, the management API by HTTP.

mod lane;
mod link;
mod management;
mod seeded;
mod url;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lapin::uri::AMQPUri;
use ms2m_app::io::Dial;

use self::{lane::RabbitLane, link::Link, management::Management};
use super::{Broker, BrokerError, ConsumerFacts, FactsSource, Lane, QueueFacts, QueueKind};

pub use self::url::{InvalidUrl, ManagementUrl, parse_amqp_url};

/// A RabbitMQ broker.
pub struct RabbitMq {
    link: Arc<Link>,
    /// For what others wrote: the client ends a connection on a message that it cannot read.
    tails: Arc<Link>,
    management: Option<Management>,
}

impl RabbitMq {
    /// The broker at `uri`; `management` reads what AMQP cannot tell. `deadline` bounds every call.
    pub fn new(
        uri: AMQPUri,
        management: Option<ManagementUrl>,
        dial: Arc<dyn Dial>,
        deadline: Duration,
    ) -> Self {
        let vhost = uri.vhost.clone();
        let management = management.map(|url| Management::new(url, vhost, dial.clone(), deadline));
        let link = Link::new(uri.clone(), dial.clone(), deadline);
        Self { link: Arc::new(link), tails: Arc::new(Link::new(uri, dial, deadline)), management }
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn inspect(&self, queue: &str) -> Result<Option<QueueFacts>, BrokerError> {
        if let Some(management) = &self.management {
            return management.queue(queue).await;
        }
        let consumers = lane::consumers(&self.link.channel().await?, queue, self.link.deadline).await?;
        Ok(consumers.map(|consumers| QueueFacts {
            source: FactsSource::PassiveDeclare,
            kind: QueueKind::Classic,
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: Default::default(),
            consumers: vec![ConsumerFacts { tag: String::new(), exclusive: false }; consumers as usize],
            bindings: Vec::new(),
        }))
    }

    async fn lane(&self) -> Result<Arc<dyn Lane>, BrokerError> {
        Ok(Arc::new(RabbitLane::open(self.link.clone(), self.tails.clone()).await?))
    }
}

/// Bounds a call, and says what its failure means.
async fn within<T>(
    call: &'static str,
    within: Duration,
    future: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(within, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(BrokerError::Timeout { call, within }),
    }
}

fn classify(error: &lapin::Error) -> BrokerError {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(protocol) => match protocol.get_id() {
            403 => BrokerError::Refused(protocol.get_message().to_string()),
            404 if !is_absent(protocol) => BrokerError::Unreachable(error.to_string()),
            406 if is_late_ack(protocol) => BrokerError::Unreachable(error.to_string()),
            404..=406 | 530 => BrokerError::Precondition(protocol.get_message().to_string()),
            _ => BrokerError::Unreachable(error.to_string()),
        },
        _ => BrokerError::Unreachable(error.to_string()),
    }
}

/// Whether something is not there. RabbitMQ says "not found" of what is only away, too, and in other words: of a queue whose
/// node is down, or of a stream for a moment after a restart, until its leader runs again.
fn is_absent(protocol: &lapin::protocol::AMQPError) -> bool {
    protocol.get_id() == 404 && protocol.get_message().as_str().starts_with("NOT_FOUND - no ")
}

/// Whether the channel was closed because a delivery was not acked in time. That answers no call: whatever was under way on the
/// channel is lost with it, and goes through on another.
fn is_late_ack(protocol: &lapin::protocol::AMQPError) -> bool {
    protocol.get_message().as_str().starts_with("PRECONDITION_FAILED - delivery acknowledgement ")
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPSoftError};

    use super::*;

    fn closed(error: AMQPSoftError, text: &str) -> BrokerError {
        let kind = AMQPErrorKind::Soft(error);
        classify(&lapin::ErrorKind::ProtocolError(AMQPError::new(kind, text.into())).into())
    }

    fn not_found(text: &str) -> BrokerError {
        closed(AMQPSoftError::NOTFOUND, text)
    }

    #[test]
    fn what_is_away_for_a_moment_is_not_missing() {
        let away =
            not_found("NOT_FOUND - home node 'a' of durable queue 'q' in vhost '/' is down or inaccessible");
        assert!(matches!(away, BrokerError::Unreachable(_)) && away.is_retryable(), "{away:?}");
        let absent = not_found("NOT_FOUND - no queue 'q' in vhost '/'");
        assert!(matches!(absent, BrokerError::Precondition(_)) && !absent.is_retryable(), "{absent:?}");
    }

    #[test]
    fn a_channel_that_is_closed_for_a_late_ack_refuses_nothing() {
        let failed = |text: &str| closed(AMQPSoftError::PRECONDITIONFAILED, text);
        let late = failed(
            "PRECONDITION_FAILED - delivery acknowledgement on channel 3 timed out. Timeout value used",
        );
        assert!(matches!(late, BrokerError::Unreachable(_)) && late.is_retryable(), "{late:?}");
        let other = failed("PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/'");
        assert!(matches!(other, BrokerError::Precondition(_)) && !other.is_retryable(), "{other:?}");
    }
}
