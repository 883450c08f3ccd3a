use crate::seeded_bug::{self, SeededBug};
use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
    uri::AMQPUri,
};

use crate::{
    OverlongName, amqp_name,
    contract::{HEADER_PRODUCER, HEADER_SEQ, MessageId},
    io::{Dial, Entropy},
    patience::answered,
};

/// How long the broker may take for one call; a publish that is not confirmed by then is sent again.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long to wait before connecting again.
const RECONNECT: Duration = Duration::from_millis(250);

/// What a [`Publisher`] connects to.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// The broker.
    pub uri: AMQPUri,
    /// Exchange to publish to.
    pub exchange: String,
    /// Producer id with a durable sequence: the last sequence that was confirmed, and the id. None draws an id that is
    /// unique to this incarnation, and starts at 1.
    pub durable: Option<(String, u64)>,
}

/// A message that the broker has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its identity.
    pub id: MessageId,
    /// How often it was sent until it was confirmed.
    pub attempts: u32,
}

/// One producer: stamps identity and sequence, waits for the confirm, and sends again with the same identity until the
/// broker has confirmed.
///
/// One message is under way at a time, which keeps a producer's order across resends. Whoever needs more uses several.
pub struct Publisher {
    config: PublisherConfig,
    dial: Arc<dyn Dial>,
    producer: String,
    seq: u64,
    headers: BTreeMap<String, String>,
    line: Option<(Connection, Channel)>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("broker: {0}")]
    Broker(#[from] lapin::Error),
    #[error("no answer within {DEADLINE:?}")]
    Timeout,
    #[error("the broker refused the message")]
    Nacked,
    #[error(transparent)]
    Overlong(#[from] OverlongName),
}

impl Publisher {
    /// A producer that has not published yet.
    pub fn new(config: PublisherConfig, dial: Arc<dyn Dial>, entropy: &dyn Entropy) -> Self {
        let (producer, seq) = config.durable.clone().unwrap_or_else(|| (entropy.token(), 0));
        Self { config, dial, producer, seq, headers: BTreeMap::new(), line: None }
    }

    /// The same with headers that every message has besides its identity: a headers exchange goes by them.
    #[must_use]
    pub fn with_headers(self, headers: BTreeMap<String, String>) -> Self {
        Self { headers, ..self }
    }

    /// The producer's id.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// Publishes, and returns when the broker has confirmed, however long that takes.
    ///
    /// An error when the exchange, the routing key or the name of a header is longer than AMQP can write it: nothing was
    /// published, and the sequence is not used.
    ///
    /// When the future is dropped before, the message may or may not have been published, and its sequence is used for
    /// the next one: then use a new publisher.
    pub async fn publish(&mut self, routing_key: &str, body: &[u8]) -> Result<Published, OverlongName> {
        #[cfg_attr(not(feature = "seeded-bugs"), allow(unused_mut))]
        let mut id = MessageId { producer: self.producer.clone(), seq: self.seq + 1 };
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(&id, routing_key, body).await {
                Ok(()) => {
                    self.seq = id.seq;
                    return Ok(Published { id, attempts });
                }
                Err(Failure::Overlong(error)) => return Err(error),
                Err(error) => {
                    tracing::info!(producer = id.producer, seq = id.seq, %error, "publishing again");
                    self.line = None;
                    if seeded_bug::is(SeededBug::PublisherSkips) {
                        id.seq += 1;
                    }
                    tokio::time::sleep(RECONNECT).await;
                }
            }
        }
    }

    async fn attempt(&mut self, id: &MessageId, routing_key: &str, body: &[u8]) -> Result<(), Failure> {
        let mut headers = FieldTable::default();
        for (name, value) in &self.headers {
            headers.insert(amqp_name(name)?, AMQPValue::LongString(value.as_str().into()));
        }
        headers.insert(HEADER_PRODUCER.into(), AMQPValue::LongString(id.producer.as_str().into()));
        headers.insert(HEADER_SEQ.into(), AMQPValue::LongLongInt(i64::try_from(id.seq).unwrap_or(i64::MAX)));
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        let (exchange, routing_key) = (amqp_name(&self.config.exchange)?, amqp_name(routing_key)?);
        if self.line.is_none() {
            self.line = Some(self.connect().await?);
        }
        let Some((connection, channel)) = &self.line else { return Err(Failure::Timeout) };
        let publish = async {
            channel
                .basic_publish(exchange, routing_key, BasicPublishOptions::default(), body, properties)
                .await?
                .await
        };
        match answered(connection, DEADLINE, publish).await.ok_or(Failure::Timeout)?? {
            Confirmation::Ack(_) => Ok(()),
            Confirmation::Nack(_) | Confirmation::NotRequested => Err(Failure::Nacked),
        }
    }

    async fn connect(&self) -> Result<(Connection, Channel), Failure> {
        let name = format!("producer-{}", self.producer);
        let properties = ConnectionProperties::default().with_connection_name(name.as_str().into());
        let connection = within(self.dial.connect_amqp(self.config.uri.clone(), properties)).await?;
        let channel = within(connection.create_channel()).await?;
        within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok((connection, channel))
    }
}

async fn within<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Failure::Timeout),
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::io::{BoxStream, Endpoint, OsEntropy};

    /// Nobody may be asked for anything.
    struct NoWay;

    #[async_trait]
    impl Dial for NoWay {
        async fn connect(&self, endpoint: &Endpoint) -> std::io::Result<BoxStream> {
            panic!("{endpoint:?}")
        }

        async fn connect_amqp(&self, _: AMQPUri, _: ConnectionProperties) -> lapin::Result<Connection> {
            panic!("a connection is asked for")
        }
    }

    #[tokio::test]
    async fn a_name_that_amqp_cannot_write_is_an_error_before_anybody_is_asked() {
        let overlong = "k".repeat(256);
        for (exchange, key, header) in
            [(overlong.as_str(), "k", "h"), ("e", overlong.as_str(), "h"), ("e", "k", overlong.as_str())]
        {
            let config =
                PublisherConfig { uri: AMQPUri::default(), exchange: exchange.to_owned(), durable: None };
            let headers = [(header.to_owned(), String::new())].into();
            let mut publisher = Publisher::new(config, Arc::new(NoWay), &OsEntropy).with_headers(headers);
            assert!(publisher.publish(key, b"").await.is_err());
            assert_eq!(publisher.seq, 0);
        }
    }
}
