//! AMQP deliveries as the engine knows them.

use lapin::{message::Delivery, types::AMQPValue};

use crate::{
    contract::{
        Command, CommandBody, HEADER_CONTROL, HEADER_PRODUCER, HEADER_SEQ, Marker, MessageId, NAME_BYTES_MAX,
        replies_queue,
    },
    engine::{Arrival, Kind, Origin},
};

/// Header of the message by which a process finds the end of its own control queue.
pub(super) const HEADER_FLUSH: &str = "x-ms2m-flush";

/// A delivery of `Q` or `R`.
pub(super) fn arrival(origin: Origin, delivery: Delivery) -> Arrival {
    Arrival {
        origin,
        tag: delivery.delivery_tag,
        kind: kind(&delivery),
        routing_key: delivery.routing_key.to_string(),
        body: delivery.data,
    }
}

fn kind(delivery: &Delivery) -> Kind {
    if header(delivery, HEADER_CONTROL).is_some() {
        return marker(&delivery.data).map_or(Kind::MalformedMarker, Kind::Marker);
    }
    match (header(delivery, HEADER_PRODUCER), header(delivery, HEADER_SEQ)) {
        (Some(producer), Some(seq)) => match (text(producer), number(seq)) {
            (Some(producer), Some(seq)) if seq > 0 && !producer.is_empty() => {
                Kind::Sequenced(MessageId { producer, seq })
            }
            _ => Kind::Anonymous(format!(
                "{HEADER_PRODUCER} must be a text and {HEADER_SEQ} a positive integer"
            )),
        },
        (None, None) => match delivery.properties.message_id() {
            Some(id) if !id.as_str().is_empty() => Kind::Unsequenced(id.to_string()),
            _ => Kind::Anonymous(format!("neither {HEADER_PRODUCER} and {HEADER_SEQ} nor a message-id")),
        },
        _ => Kind::Anonymous(format!("{HEADER_PRODUCER} and {HEADER_SEQ} come together")),
    }
}

/// `None` when it cannot be parsed, or not be answered.
fn marker(body: &[u8]) -> Option<Marker> {
    let marker: Marker = serde_json::from_slice(body).ok()?;
    let (Marker::Sync { migration, .. } | Marker::End { migration, .. }) = &marker;
    has_replies_queue(migration).then_some(marker)
}

/// A control message; `None` when it cannot be parsed, or is about queues that no broker can have.
pub(super) fn command(body: &[u8]) -> Option<Command> {
    let command: Command = serde_json::from_slice(body).ok()?;
    let is_name = match &command.body {
        CommandBody::StartReplay { replay_queue, .. } => replay_queue.len() <= NAME_BYTES_MAX,
        _ => true,
    };
    (is_name && has_replies_queue(&command.migration)).then_some(command)
}

/// Whether there can be a queue for what is said to this migration.
fn has_replies_queue(migration: &str) -> bool {
    replies_queue(migration).len() <= NAME_BYTES_MAX
}

/// The token of a flush message, if it is one.
pub(super) fn flush_token(delivery: &Delivery) -> Option<String> {
    header(delivery, HEADER_FLUSH).and_then(text)
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> Option<&'a AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name)
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn number(value: &AMQPValue) -> Option<u64> {
    match value {
        AMQPValue::LongLongInt(n) => u64::try_from(*n).ok(),
        AMQPValue::LongInt(n) => u64::try_from(*n).ok(),
        AMQPValue::LongUInt(n) => Some(u64::from(*n)),
        AMQPValue::ShortInt(n) => u64::try_from(*n).ok(),
        AMQPValue::ShortUInt(n) => Some(u64::from(*n)),
        AMQPValue::ShortShortInt(n) => u64::try_from(*n).ok(),
        AMQPValue::ShortShortUInt(n) => Some(u64::from(*n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::CONTRACT_VERSION;

    fn written(migration: String, body: CommandBody) -> Vec<u8> {
        let command = Command { version: CONTRACT_VERSION, migration, epoch: 1, body };
        serde_json::to_vec(&command).unwrap()
    }

    #[test]
    fn what_is_about_a_queue_that_no_broker_can_have_is_malformed() {
        let longest = NAME_BYTES_MAX - replies_queue("").len();
        for (bytes, is_understood) in [(longest, true), (longest + 1, false)] {
            let probe = written("m".repeat(bytes), CommandBody::Probe);
            assert_eq!(command(&probe).is_some(), is_understood, "{bytes}");
            let end = Marker::End {
                version: CONTRACT_VERSION,
                migration: "m".repeat(bytes),
                epoch: 1,
                session: "s".to_owned(),
                round: 1,
            };
            let end = serde_json::to_vec(&end).unwrap();
            assert_eq!(marker(&end).is_some(), is_understood, "{bytes}");
        }
        for (bytes, is_understood) in [(NAME_BYTES_MAX, true), (NAME_BYTES_MAX + 1, false)] {
            let body = CommandBody::StartReplay { session: "s".to_owned(), replay_queue: "r".repeat(bytes) };
            let start = written("m".to_owned(), body);
            assert_eq!(command(&start).is_some(), is_understood, "{bytes}");
        }
    }
}
