use std::{sync::Arc, time::Duration};

use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use ms2m_app::{
    io::Dial,
    seeded_bug::{self, SeededBug},
};
use tokio::sync::Mutex;

use super::{seeded::SharedChannel, within};
use crate::broker::BrokerError;

/// A connection that all lanes share: made when it is needed, and again when it broke.
pub(super) struct Link {
    uri: AMQPUri,
    dial: Arc<dyn Dial>,
    pub(super) deadline: Duration,
    connection: Mutex<Option<Connection>>,
    shared: SharedChannel,
}

impl Link {
    pub(super) fn new(mut uri: AMQPUri, dial: Arc<dyn Dial>, deadline: Duration) -> Self {
        // The heartbeat is what notices a peer that is gone: part of the pause when a node dies.
        let heartbeat = uri.query.heartbeat.filter(|seconds| (1..=10).contains(seconds)).unwrap_or(10);
        uri.query.heartbeat = Some(heartbeat);
        Self { uri, dial, deadline, connection: Mutex::new(None), shared: SharedChannel::default() }
    }

    /// A fresh channel.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        if seeded_bug::is(SeededBug::ShareChannel) {
            return self.shared.or_open(self.open()).await;
        }
        self.open().await
    }

    async fn open(&self) -> Result<Channel, BrokerError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.status().connected()) {
            match within("open a channel", self.deadline, connection.create_channel()).await {
                Ok(channel) => return Ok(channel),
                Err(error @ BrokerError::Timeout { .. }) => return Err(error),
                // The client gives the numbers of channels out in turn, and refuses one whose channel the broker closed, as it does
                // when asked for a queue that is not there: with what was said then.
                Err(error) => tracing::debug!(%error, "the connection has no channel left; another is made"),
            }
        }
        let properties = ConnectionProperties::default().with_connection_name("ms2m-operator".into());
        let connect = self.dial.connect_amqp(self.uri.clone(), properties);
        let connection = within("connect", self.deadline, connect).await?;
        let channel = within("open a channel", self.deadline, connection.create_channel()).await?;
        *slot = Some(connection);
        Ok(channel)
    }
}
