//! What a service says to others: outputs and dead letters, on a channel of their own.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel,
    options::ConfirmSelectOptions,
    types::{AMQPValue, FieldTable},
};

use super::line::{Line, LineError, declare, within};
use crate::{
    amqp_name,
    contract::{HEADER_PRODUCER, HEADER_SEQ, MessageId, dead_letter_queue},
    engine::{Publication, StepResult},
};

/// How long to wait before a message that the broker did not take is published again.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);
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
                self.outputs = None;
                error
            }
            published => return published,
        };
        tracing::warn!(
            exchange = publication.exchange,
            routing_key = publication.routing_key,
            %refused,
            "publishing again"
        );
        tokio::time::sleep(REFUSED_PAUSE).await;
        Ok(StepResult::Refused)
    }

    async fn try_to_publish(&mut self, publication: &Publication) -> Result<StepResult, LineError> {
        let channel = match &self.outputs {
            Some(channel) => channel.clone(),
            None => self.outputs.insert(self.open_outputs().await?).clone(),
        };
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
            return self.send(&channel, exchange, routing_key, body, properties.with_headers(headers)).await;
        };
        headers.insert(HEADER_ERROR.into(), AMQPValue::LongString(why.as_str().into()));
        self.put_aside(&channel, body, properties.with_headers(headers)).await
    }

    async fn open_outputs(&self) -> Result<Channel, LineError> {
        let channel = within("open a channel", self.connection.create_channel()).await?;
        within("select confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// Puts a dead letter into its queue. That is declared only where there is none: somebody may have one of another kind.
    async fn put_aside(
        &self,
        channel: &Channel,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<StepResult, LineError> {
        let queue = dead_letter_queue(&self.queue);
        if self.send(channel, "", &queue, body, properties.clone()).await? == StepResult::Done {
            return Ok(StepResult::Done);
        }
        declare(channel, &queue).await?;
        match self.send(channel, "", &queue, body, properties).await? {
            StepResult::Done => Ok(StepResult::Done),
            // It was deleted since: nothing is acked before it is there.
            StepResult::Refused | StepResult::Unroutable => Err(LineError::Nacked),
        }
    }
}
