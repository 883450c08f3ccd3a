//! What a service says to others: outputs and dead letters, on a channel of their own.

use std::time::Duration;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use super::line::{Line, LineError, confirming};
use crate::{
    amqp_name,
    contract::{HEADER_PRODUCER, HEADER_SEQ, MessageId, dead_letter_queue},
    engine::{Publication, StepResult},
};

/// How long to wait before a message that the broker did not take is published again; twice as long each time.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);
/// How often that doubles.
const DOUBLINGS_MAX: u32 = 4;
/// Header of a dead letter: why it is one.
const HEADER_ERROR: &str = "x-ms2m-error";

impl Line {
    /// Publishes an output or a dead letter; [`StepResult::Refused`] when the broker does not take it now.
    ///
    /// An exchange that is not there, or a right that is missing, closes the channel, and is no reason to connect again:
    /// whoever does that gives back what was delivered ahead, a broker counts how often, and after some times takes those
    /// messages away.
    pub(super) async fn publish(&mut self, publication: &Publication) -> Result<StepResult, LineError> {
        let refused = match self.try_to_publish(publication).await {
            Err(error @ LineError::Nacked) => error,
            Err(error @ LineError::Broker(_)) if self.connection.status().connected() => {
                // The client gives each number of a channel out once. After some thousand it has none left, and that is a
                // reason to connect again.
                self.outputs = confirming(&self.connection).await?;
                error
            }
            published => {
                self.refusals = 0;
                return published;
            }
        };
        let Publication { exchange, routing_key, dead_letter, .. } = publication;
        if self.refusals == 0 {
            let is_dead_letter = dead_letter.is_some();
            tracing::warn!(exchange, routing_key, is_dead_letter, %refused, "publishing again, until it is taken");
        }
        let pause = REFUSED_PAUSE * 2_u32.pow(self.refusals.min(DOUBLINGS_MAX));
        self.refusals = self.refusals.saturating_add(1);
        tokio::time::sleep(pause).await;
        Ok(StepResult::Refused)
    }

    async fn try_to_publish(&self, publication: &Publication) -> Result<StepResult, LineError> {
        let (mut headers, mut properties) = (FieldTable::default(), BasicProperties::default());
        match &publication.id {
            // It has no sequence, and was known by this alone.
            Some(MessageId { producer, seq: 0 }) => {
                properties = properties.with_message_id(amqp_name(producer)?);
            }
            Some(MessageId { producer, seq }) => {
                let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
                headers.insert(HEADER_PRODUCER.into(), AMQPValue::LongString(producer.as_str().into()));
                headers.insert(HEADER_SEQ.into(), AMQPValue::LongLongInt(seq));
            }
            None => {}
        }
        let Publication { exchange, routing_key, body, .. } = publication;
        let Some(why) = &publication.dead_letter else {
            return self
                .send(&self.outputs, exchange, routing_key, body, properties.with_headers(headers))
                .await;
        };
        headers.insert(HEADER_ERROR.into(), AMQPValue::LongString(why.as_str().into()));
        self.put_aside(body, properties.with_headers(headers)).await
    }

    /// Puts a dead letter into its queue. That is declared only where there is none: somebody may have one of another kind.
    async fn put_aside(&self, body: &[u8], properties: BasicProperties) -> Result<StepResult, LineError> {
        let queue = dead_letter_queue(&self.queue);
        if self.send(&self.outputs, "", &queue, body, properties.clone()).await? == StepResult::Done {
            return Ok(StepResult::Done);
        }
        self.declare(&self.outputs, &queue, FieldTable::default()).await?;
        match self.send(&self.outputs, "", &queue, body, properties).await? {
            StepResult::Done => Ok(StepResult::Done),
            // It was deleted since: nothing is acked before it is there.
            StepResult::Refused | StepResult::Unroutable => Err(LineError::Nacked),
        }
    }
}
