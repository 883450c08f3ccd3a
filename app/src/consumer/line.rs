//! One AMQP connection of a consumer, and what the engine's steps mean on it.

use std::{future::Future, io, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{ConsumerConfig, RamCell, parse};
use crate::seeded_bug::{self, SeededBug};
use crate::{
    OverlongName, amqp_name,
    contract::{Reply, control_queue, replies_queue},
    engine::{Origin, Step, StepResult},
    io::Dial,
    patience::answered,
};

/// How long the broker may take for one call.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the broker may take to close a connection that is given up.
const FAREWELL: Duration = Duration::from_secs(2);
/// How many messages of `R` are delivered ahead.
const REPLAY_PREFETCH: u16 = 256;

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// The client says so.
    #[error("broker: {0}")]
    Broker(#[from] lapin::Error),
    /// The broker does not answer.
    #[error("the broker did not answer within {DEADLINE:?}: {0}")]
    Timeout(&'static str),
    /// A consumer ended without an error.
    #[error("the broker ended a consumer")]
    Ended,
    /// The broker did not take a message.
    #[error("the broker refused a message")]
    Nacked,
    /// A message of ours cannot be written.
    #[error("a message cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
    /// A name is longer than AMQP can write it.
    #[error(transparent)]
    Overlong(#[from] OverlongName),
    /// Nobody says which pod this is.
    #[error("{0}")]
    Identity(io::Error),
    /// Between asking and connecting the process became a copy.
    #[error("the process was restored in another pod")]
    Moved,
}

/// A connection and its channels.
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) queue: String,
    prefetch: u16,
    /// Replies, and the control queue.
    out: Channel,
    /// What the service says.
    pub(super) outputs: Channel,
    /// How often in a row the broker did not take it.
    pub(super) refusals: u32,
    control_queue: String,
    flush_token: String,
    control: Option<lapin::Consumer>,
    primary: Option<(Channel, lapin::Consumer)>,
    replay: Option<(Channel, lapin::Consumer)>,
}

async fn within<T>(what: &'static str, call: impl Future<Output = lapin::Result<T>>) -> Result<T, LineError> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(LineError::Timeout(what)),
    }
}

/// The same where the broker may have an alarm meanwhile.
async fn patiently<T>(
    connection: &Connection,
    what: &'static str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, LineError> {
    Ok(answered(connection, DEADLINE, call).await.ok_or(LineError::Timeout(what))??)
}

/// A channel on which publishes are confirmed.
pub(super) async fn confirming(connection: &Connection) -> Result<Channel, LineError> {
    let channel = patiently(connection, "open a channel", connection.create_channel()).await?;
    let select = channel.confirm_select(ConfirmSelectOptions::default());
    patiently(connection, "select confirms", select).await?;
    Ok(channel)
}

impl Line {
    pub(super) async fn connect(
        config: &ConsumerConfig,
        dial: &dyn Dial,
        name: &str,
    ) -> Result<Self, LineError> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = within("connect", dial.connect_amqp(config.uri.clone(), properties)).await?;
        let (out, outputs) = tokio::try_join!(confirming(&connection), confirming(&connection))?;
        Ok(Self {
            connection,
            queue: config.queue.clone(),
            prefetch: config.prefetch,
            out,
            outputs,
            refusals: 0,
            control_queue: String::new(),
            flush_token: String::new(),
            control: None,
            primary: None,
            replay: None,
        })
    }

    /// Ends the connection as one: the broker gives the consumer slot of `Q` away only together with what was delivered
    /// and not acked, which goes back to its old place before anybody consumes again.
    ///
    /// A client that is merely dropped cancels its consumers first. Where the broker's answers are lost, that frees the
    /// slot while the unacked messages stay with the old connection until its heartbeat ends: the next consumer gets only
    /// their successors, which fill its prefetch and wait for predecessors that can no longer be delivered.
    pub(super) async fn close(&self) {
        let close = self.connection.close(200, "connecting again".into());
        if tokio::time::timeout(FAREWELL, close).await.is_err() {
            tracing::debug!("the broker did not answer when the connection was closed");
        }
    }

    /// Declares and consumes this pod's control queue. Refused while the broker still believes in the last connection.
    pub(super) async fn open_control(&mut self, pod_uid: &str, flush_token: String) -> Result<(), LineError> {
        self.control_queue = control_queue(pod_uid);
        self.flush_token = flush_token;
        // A virtual host may have another type for queues of which nothing is said, such as quorum, which gives a `STOP` that
        // waits for its `RESUME` only so many times to whoever connects again.
        let classic = table([("x-queue-type", AMQPValue::LongString("classic".into()))]);
        self.declare(&self.out, &self.control_queue, classic).await?;
        let options = BasicConsumeOptions { exclusive: true, ..Default::default() };
        let consume = self.out.basic_consume(
            amqp_name(&self.control_queue)?,
            "".into(),
            options,
            FieldTable::default(),
        );
        self.control = Some(patiently(&self.connection, "consume the control queue", consume).await?);
        Ok(())
    }

    /// Declares a durable queue.
    pub(super) async fn declare(
        &self,
        channel: &Channel,
        queue: &str,
        arguments: FieldTable,
    ) -> Result<(), LineError> {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let declare = channel.queue_declare(amqp_name(queue)?, options, arguments);
        patiently(&self.connection, "declare", declare).await.map(drop)
    }

    /// Takes in everything that has arrived, without waiting.
    pub(super) fn take_in_ready<S: Clone + Default>(&mut self, ram: &RamCell<S>) -> Result<(), LineError> {
        while let Some(taken) = self.take_in_next(ram).now_or_never() {
            taken?;
        }
        Ok(())
    }

    /// Waits for the next delivery, and takes it in.
    pub(super) async fn take_in_next<S: Clone + Default>(
        &mut self,
        ram: &RamCell<S>,
    ) -> Result<(), LineError> {
        let Self { control, primary, replay, flush_token, .. } = self;
        tokio::select! {
            biased;
            delivery = next(control.as_mut()) => {
                let delivery = delivery.ok_or(LineError::Ended)??;
                let tag = delivery.delivery_tag;
                match parse::flush_token(&delivery) {
                    Some(token) if token == *flush_token => ram.lock().control_was_read(tag),
                    // Left over from a connection that died before it read it.
                    Some(_) => ram.lock().ack_control(tag),
                    None => ram.lock().commanded(tag, parse::command(&delivery.data)),
                }
            }
            delivery = next(primary.as_mut().map(|(_, consumer)| consumer)) => match delivery {
                Some(delivery) => ram.lock().delivered(parse::arrival(Origin::Primary, delivery?)),
                None => {
                    self.primary = None;
                    ram.lock().primary_cancelled();
                }
            },
            delivery = next(replay.as_mut().map(|(_, consumer)| consumer)) => match delivery {
                Some(delivery) => ram.lock().delivered(parse::arrival(Origin::Replay, delivery?)),
                None => {
                    self.replay = None;
                    ram.lock().replay_gone();
                }
            },
        }
        Ok(())
    }

    /// Does what the engine asks for.
    pub(super) async fn perform(&mut self, step: &Step) -> Result<StepResult, LineError> {
        match step {
            Step::FlushControl => self.flush_control().await,
            Step::AckControl(tag) => {
                patiently(&self.connection, "ack", self.out.basic_ack(*tag, BasicAckOptions::default()))
                    .await?;
                Ok(StepResult::Done)
            }
            Step::OpenPrimary => self.open_primary().await,
            Step::ClosePrimary => self.close_primary().await,
            Step::OpenReplay(queue) => self.open_replay(queue).await,
            Step::Reply(reply) => self.reply(reply).await,
            Step::Work(duration) => {
                if !duration.is_zero() {
                    tokio::time::sleep(*duration).await;
                }
                Ok(StepResult::Done)
            }
            Step::Publish(publication) => self.publish(publication).await,
            Step::Ack(origin, tag) => self.ack(*origin, *tag).await,
            Step::Exit(_) => Ok(StepResult::Done),
        }
    }

    async fn flush_control(&self) -> Result<StepResult, LineError> {
        let headers = table([(parse::HEADER_FLUSH, AMQPValue::LongString(self.flush_token.as_str().into()))]);
        self.send(&self.out, "", &self.control_queue, &[], BasicProperties::default().with_headers(headers))
            .await
    }

    async fn open_primary(&mut self) -> Result<StepResult, LineError> {
        let channel = patiently(&self.connection, "open a channel", self.connection.create_channel()).await?;
        patiently(&self.connection, "qos", channel.basic_qos(self.prefetch, BasicQosOptions::default()))
            .await?;
        let options = BasicConsumeOptions { exclusive: true, ..Default::default() };
        let consume =
            channel.basic_consume(amqp_name(&self.queue)?, "".into(), options, FieldTable::default());
        match patiently(&self.connection, "consume", consume).await {
            Ok(consumer) => {
                self.primary = Some((channel, consumer));
                Ok(StepResult::Done)
            }
            Err(error) => self.refused(error),
        }
    }

    /// A channel error is an answer; a connection error is the end of the line.
    fn refused(&self, error: LineError) -> Result<StepResult, LineError> {
        if matches!(error, LineError::Broker(_)) && self.connection.status().connected() {
            tracing::debug!(%error, "refused");
            return Ok(StepResult::Refused);
        }
        Err(error)
    }

    async fn close_primary(&mut self) -> Result<StepResult, LineError> {
        if let Some((channel, _)) = self.primary.take() {
            patiently(&self.connection, "close a channel", channel.close(200, "stopped".into())).await?;
        }
        Ok(StepResult::Done)
    }

    async fn open_replay(&mut self, queue: &str) -> Result<StepResult, LineError> {
        let channel = patiently(&self.connection, "open a channel", self.connection.create_channel()).await?;
        patiently(&self.connection, "qos", channel.basic_qos(REPLAY_PREFETCH, BasicQosOptions::default()))
            .await?;
        let offset = if seeded_bug::is(SeededBug::ReplayFromEnd) { "next" } else { "first" };
        let from_start = table([("x-stream-offset", AMQPValue::LongString(offset.into()))]);
        let consume =
            channel.basic_consume(amqp_name(queue)?, "".into(), BasicConsumeOptions::default(), from_start);
        match patiently(&self.connection, "consume", consume).await {
            Ok(consumer) => {
                self.replay = Some((channel, consumer));
                Ok(StepResult::Done)
            }
            Err(error) => self.refused(error),
        }
    }

    async fn ack(&self, origin: Origin, tag: u64) -> Result<StepResult, LineError> {
        let channel = match origin {
            Origin::Primary => self.primary.as_ref().map(|(channel, _)| channel),
            Origin::Replay => self.replay.as_ref().map(|(channel, _)| channel),
        };
        // Tag 0 would ack everything; it stands for a message that was acked when it was set aside.
        if let Some(channel) = channel.filter(|_| tag > 0) {
            patiently(&self.connection, "ack", channel.basic_ack(tag, BasicAckOptions::default())).await?;
        }
        Ok(StepResult::Done)
    }

    async fn reply(&self, reply: &Reply) -> Result<StepResult, LineError> {
        let body = serde_json::to_vec(reply)?;
        self.send(&self.out, "", &replies_queue(&reply.migration), &body, BasicProperties::default()).await
    }

    /// Publishes persistently, and waits for the confirm.
    pub(super) async fn send(
        &self,
        channel: &Channel,
        exchange: &str,
        key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<StepResult, LineError> {
        let options = BasicPublishOptions { mandatory: exchange.is_empty(), ..Default::default() };
        let properties =
            properties.with_delivery_mode(2).with_content_type(ShortString::from("application/json"));
        let (to, key) = (amqp_name(exchange)?, amqp_name(key)?);
        let publish = async {
            let confirm = channel.basic_publish(to, key, options, body, properties).await?;
            if seeded_bug::is(SeededBug::FireAndForget) && !exchange.is_empty() {
                return Ok(Confirmation::Ack(None));
            }
            confirm.await
        };
        match patiently(&self.connection, "confirm a publish", publish).await? {
            Confirmation::Ack(None) => Ok(StepResult::Done),
            Confirmation::Ack(Some(_)) => Ok(StepResult::Unroutable),
            Confirmation::Nack(_) | Confirmation::NotRequested => Err(LineError::Nacked),
        }
    }
}

async fn next(consumer: Option<&mut lapin::Consumer>) -> Option<lapin::Result<Delivery>> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => std::future::pending().await,
    }
}

fn table<'a>(entries: impl IntoIterator<Item = (&'a str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}
