//! AMQP deliveries as the engine knows them.

use lapin::{message::Delivery, types::AMQPValue};

use crate::{
    contract::{Command, HEADER_CONTROL, HEADER_PRODUCER, HEADER_SEQ, Marker, MessageId},
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
        return serde_json::from_slice::<Marker>(&delivery.data).map_or(Kind::MalformedMarker, Kind::Marker);
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

/// A control message; `None` when it cannot be parsed.
pub(super) fn command(delivery: &Delivery) -> Option<Command> {
    serde_json::from_slice(&delivery.data).ok()
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
