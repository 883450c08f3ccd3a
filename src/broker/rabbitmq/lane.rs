use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{
        BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use ms2m_app::{
    amqp_name,
    contract::{Command, HEADER_CONTROL, Marker, control_queue},
    seeded_bug::{self, SeededBug},
};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{link::Link, within};
use crate::{
    api::Binding,
    broker::{BrokerError, Lane, StreamTail, inbox::ReplyInbox},
};

/// How many replies may wait unacked. Some have a ledger of some hundred kilobytes, and while nobody listens they pile up.
const INBOX_PREFETCH: u16 = 32;
/// How many messages of a stream may be on their way to its follower.
const TAIL_PREFETCH: u16 = 256;

/// The channels of one migration. Asking for a queue that is not there closes the channel that asks, so that has one of
/// its own.
pub(super) struct RabbitLane {
    link: Arc<Link>,
    tails: Arc<Link>,
    work: Channel,
    probe: Mutex<Channel>,
    inbox: Channel,
    deadline: Duration,
}

impl RabbitLane {
    pub(super) async fn open(link: Arc<Link>, tails: Arc<Link>) -> Result<Self, BrokerError> {
        let deadline = link.deadline;
        let [work, probe, inbox] = [link.channel().await?, link.channel().await?, link.channel().await?];
        within("select confirms", deadline, work.confirm_select(ConfirmSelectOptions::default())).await?;
        within("qos", deadline, inbox.basic_qos(INBOX_PREFETCH, BasicQosOptions::default())).await?;
        Ok(Self { link, tails, work, probe: Mutex::new(probe), inbox, deadline })
    }

    async fn publish(&self, queue: &str, body: Vec<u8>, headers: FieldTable) -> Result<(), BrokerError> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_headers(headers);
        let to = amqp_name(queue)?;
        let publish =
            async { self.work.basic_publish("".into(), to, options, &body, properties).await?.await };
        match within("confirm a publish", self.deadline, publish).await? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(BrokerError::Unroutable(queue.to_owned())),
            Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(BrokerError::Unreachable(format!("the broker did not take a message for {queue}")))
            }
        }
    }
}

#[async_trait]
impl Lane for RabbitLane {
    fn is_open(&self) -> bool {
        let is_open = self.work.status().connected() && self.inbox.status().connected();
        is_open || seeded_bug::is(SeededBug::KeepLostChannel)
    }

    async fn declare_replies(&self, queue: &str) -> Result<(), BrokerError> {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        within(
            "declare",
            self.deadline,
            self.work.queue_declare(amqp_name(queue)?, options, of_type("classic")),
        )
        .await
        .map(drop)
    }

    async fn mirror(&self, replay: &str, bindings: &[Binding]) -> Result<(), BrokerError> {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let declare = self.work.queue_declare(amqp_name(replay)?, options, of_type("stream"));
        within("declare", self.deadline, declare).await?;
        for binding in bindings {
            let bind = self.work.queue_bind(
                amqp_name(replay)?,
                amqp_name(&binding.exchange)?,
                amqp_name(&binding.routing_key)?,
                QueueBindOptions::default(),
                table(binding)?,
            );
            within("bind", self.deadline, bind).await?;
        }
        Ok(())
    }

    async fn unbind(&self, replay: &str, bindings: &[Binding]) -> Result<(), BrokerError> {
        for binding in bindings {
            let unbind = self.work.queue_unbind(
                amqp_name(replay)?,
                amqp_name(&binding.exchange)?,
                amqp_name(&binding.routing_key)?,
                table(binding)?,
            );
            within("unbind", self.deadline, unbind).await?;
        }
        Ok(())
    }

    async fn delete_queue(&self, queue: &str) -> Result<(), BrokerError> {
        let delete = self.work.queue_delete(amqp_name(queue)?, QueueDeleteOptions::default());
        within("delete", self.deadline, delete).await.map(drop)
    }

    async fn publish_marker(&self, queue: &str, marker: &Marker) -> Result<(), BrokerError> {
        let mut headers = FieldTable::default();
        headers.insert(HEADER_CONTROL.into(), AMQPValue::LongLongInt(1));
        self.publish(queue, serde_json::to_vec(marker)?, headers).await
    }

    async fn send_command(&self, pod_uid: &str, command: &Command) -> Result<(), BrokerError> {
        self.publish(&control_queue(pod_uid), serde_json::to_vec(command)?, FieldTable::default()).await
    }

    async fn consumers(&self, queue: &str) -> Result<Option<u32>, BrokerError> {
        let mut probe = self.probe.lock().await;
        let found = consumers(&probe, queue, self.deadline).await;
        if !matches!(found, Ok(Some(_))) {
            // Any other answer closed the channel.
            *probe = self.link.channel().await?;
        }
        match found {
            Err(_) if seeded_bug::is(SeededBug::UnansweredIsAbsent) => Ok(None),
            found => found,
        }
    }

    async fn tail(&self, stream: &str) -> Result<StreamTail, BrokerError> {
        // Of its own: it is refused when the stream is not there, which closes the channel.
        let channel = self.tails.channel().await?;
        within("qos", self.deadline, channel.basic_qos(TAIL_PREFETCH, BasicQosOptions::default())).await?;
        let mut at_the_end = FieldTable::default();
        at_the_end.insert("x-stream-offset".into(), AMQPValue::LongString("last".into()));
        let consume =
            channel.basic_consume(amqp_name(stream)?, "".into(), BasicConsumeOptions::default(), at_the_end);
        Ok(StreamTail::follow(within("consume", self.deadline, consume).await?))
    }

    async fn replies(
        &self,
        queue: &str,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<ReplyInbox, BrokerError> {
        let options = BasicConsumeOptions::default();
        let consume = self.inbox.basic_consume(amqp_name(queue)?, "".into(), options, FieldTable::default());
        let consumer = within("consume", self.deadline, consume).await?;
        Ok(ReplyInbox::collect(self.inbox.clone(), consumer, wake))
    }
}

/// Said of every queue, because a virtual host may have a type of its own for those of which nothing is said.
fn of_type(queue_type: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(queue_type.into()));
    arguments
}

/// How many consume a queue, by a passive declare; the channel is closed when there is none.
pub(super) async fn consumers(
    channel: &Channel,
    queue: &str,
    deadline: Duration,
) -> Result<Option<u32>, BrokerError> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let declare = channel.queue_declare(amqp_name(queue)?, options, FieldTable::default());
    let Ok(declared) = tokio::time::timeout(deadline, declare).await else {
        return Err(BrokerError::Timeout { call: "passive declare", within: deadline });
    };
    match declared {
        Ok(queue) => Ok(Some(queue.consumer_count())),
        Err(error) => match error.kind() {
            lapin::ErrorKind::ProtocolError(protocol) if super::is_absent(protocol) => Ok(None),
            _ => Err(super::classify(&error)),
        },
    }
}

fn table(binding: &Binding) -> Result<FieldTable, BrokerError> {
    fields(binding.arguments.iter().map(|(name, value)| (name.as_str(), value)))
}

fn fields<'a>(named: impl Iterator<Item = (&'a str, &'a Value)>) -> Result<FieldTable, BrokerError> {
    let mut table = FieldTable::default();
    for (name, value) in named {
        table.insert(amqp_name(name)?, field(value)?);
    }
    Ok(table)
}

/// As the management API's JSON means it: a header that is matched with nothing is matched by whatever has it.
fn field(value: &Value) -> Result<AMQPValue, BrokerError> {
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(value) => match value.as_i64() {
            Some(value) => AMQPValue::LongLongInt(value),
            None => AMQPValue::Double(value.as_f64().unwrap_or_default()),
        },
        Value::String(value) => AMQPValue::LongString(value.as_str().into()),
        Value::Array(values) => {
            let fields: Result<Vec<AMQPValue>, BrokerError> = values.iter().map(field).collect();
            AMQPValue::FieldArray(fields?.into())
        }
        Value::Object(named) => {
            AMQPValue::FieldTable(fields(named.iter().map(|(name, value)| (name.as_str(), value)))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_binding_s_arguments_are_mirrored_with_all_that_is_in_them() {
        let text = |text: &str| AMQPValue::LongString(text.into());
        let mut inner = FieldTable::default();
        inner.insert("a".into(), AMQPValue::Boolean(true));
        for (json, amqp) in [
            (json!(null), AMQPValue::Void),
            (json!(7), AMQPValue::LongLongInt(7)),
            (json!(0.5), AMQPValue::Double(0.5)),
            (json!("all"), text("all")),
            (json!(["a", null]), AMQPValue::FieldArray(vec![text("a"), AMQPValue::Void].into())),
            (json!({ "a": true }), AMQPValue::FieldTable(inner)),
        ] {
            let binding = Binding {
                exchange: "shop".to_owned(),
                routing_key: String::new(),
                arguments: [("x".to_owned(), json.clone())].into(),
            };
            assert_eq!(table(&binding).unwrap().inner().get("x"), Some(&amqp), "{json}");
        }
    }

    #[test]
    fn a_name_that_amqp_cannot_write_is_an_error() {
        // 128 letters, of two bytes each.
        let longer = "\u{e9}".repeat(128);
        let binding = Binding {
            exchange: "shop".to_owned(),
            routing_key: String::new(),
            arguments: [("x".to_owned(), json!([{ longer: true }]))].into(),
        };
        let refused = table(&binding).unwrap_err();
        assert!(matches!(&refused, BrokerError::Precondition(why) if why.contains("256 bytes")), "{refused}");
    }
}
