//! What becomes of messages that a queue does not keep: <https://www.rabbitmq.com/docs/dlx>.

use std::sync::Arc;

use amq_protocol::{
    protocol::basic::AMQPProperties,
    types::{AMQPValue, FieldArray, FieldTable},
};

use super::{
    broker::Broker,
    message::{Message, number, text},
};
use crate::determinism::EPOCH;

/// Why a message died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    Rejected,
    Expired,
    MaxLength,
    DeliveryLimit,
}

impl Death {
    fn reason(self) -> &'static str {
        match self {
            Self::Rejected => REJECTED,
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

const REJECTED: &str = "rejected";
const DEATHS: &str = "x-death";

impl Broker {
    /// Sends a message that a queue gives up to the queue's dead letter exchange, if it has one.
    pub(super) fn bury(&mut self, queue: &str, message: &Message, death: Death) {
        let Some(settings) = self.queues.get(queue).map(|queue| &queue.settings) else { return };
        let Some(exchange) = settings.dead_letter_exchange.clone() else { return };
        let routing_key = settings.dead_letter_key.clone().unwrap_or_else(|| message.routing_key.clone());
        let (headers, deaths) = self.obituary(queue, message, death);
        let properties = without_expiration(&message.properties).with_headers(headers);
        let letter = Message { exchange, routing_key, properties, body: message.body.clone() };
        let targets = self.targets(&letter);
        let letter = Arc::new(letter);
        for target in &targets {
            if death == Death::Rejected || !goes_in_circles(target, &deaths) {
                self.enqueue(target, &letter);
            }
        }
    }

    /// The headers of a dead letter, and all its deaths, the last one first.
    fn obituary(&self, queue: &str, message: &Message, death: Death) -> (FieldTable, Vec<FieldTable>) {
        let mut headers = message.properties.headers().clone().unwrap_or_default();
        let mut deaths = deaths(&headers);
        let is_same = |entry: &FieldTable| {
            text(entry, "queue").as_deref() == Some(queue)
                && text(entry, "reason").as_deref() == Some(death.reason())
        };
        let entry = match deaths.iter().position(is_same) {
            Some(index) => {
                let mut entry = deaths.remove(index);
                let count = entry.inner().get("count").and_then(number).unwrap_or_default();
                entry.insert("count".into(), AMQPValue::LongLongInt(count + 1));
                entry
            }
            None => self.death(queue, message, death),
        };
        deaths.insert(0, entry);
        let mut all = FieldArray::default();
        for entry in &deaths {
            all.push(AMQPValue::FieldTable(entry.clone()));
        }
        headers.insert(DEATHS.into(), AMQPValue::FieldArray(all));
        if !headers.inner().contains_key("x-first-death-reason") {
            headers.insert("x-first-death-reason".into(), string(death.reason()));
            headers.insert("x-first-death-queue".into(), string(queue));
            headers.insert("x-first-death-exchange".into(), string(&message.exchange));
        }
        (headers, deaths)
    }

    fn death(&self, queue: &str, message: &Message, death: Death) -> FieldTable {
        let mut keys = FieldArray::default();
        keys.push(string(&message.routing_key));
        let mut entry = FieldTable::default();
        entry.insert("count".into(), AMQPValue::LongLongInt(1));
        entry.insert("reason".into(), string(death.reason()));
        entry.insert("queue".into(), string(queue));
        entry.insert("time".into(), AMQPValue::Timestamp((EPOCH + self.clock.now()).as_secs()));
        entry.insert("exchange".into(), string(&message.exchange));
        entry.insert("routing-keys".into(), AMQPValue::FieldArray(keys));
        if let Some(expiration) = message.properties.expiration() {
            entry.insert("original-expiration".into(), string(expiration.as_str()));
        }
        entry
    }
}

/// A dead letter waits for as long as it takes.
fn without_expiration(from: &AMQPProperties) -> AMQPProperties {
    let mut to = AMQPProperties::default();
    macro_rules! copy {
        ($($get:ident $set:ident),+) => {
            $(if let Some(value) = from.$get() { to = to.$set(value.clone()); })+
        };
    }
    copy!(
        content_type with_content_type, content_encoding with_content_encoding, headers with_headers,
        delivery_mode with_delivery_mode, priority with_priority, correlation_id with_correlation_id,
        reply_to with_reply_to, message_id with_message_id, timestamp with_timestamp, kind with_type,
        user_id with_user_id, app_id with_app_id, cluster_id with_cluster_id
    );
    to
}

fn string(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn deaths(headers: &FieldTable) -> Vec<FieldTable> {
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get(DEATHS) else { return Vec::new() };
    let table = |death: &AMQPValue| match death {
        AMQPValue::FieldTable(death) => Some(death.clone()),
        _ => None,
    };
    deaths.as_slice().iter().filter_map(table).collect()
}

/// Whether a letter comes to a queue again in which it has died, without anybody having rejected it since.
fn goes_in_circles(queue: &str, deaths: &[FieldTable]) -> bool {
    let Some(here) = deaths.iter().position(|death| text(death, "queue").as_deref() == Some(queue)) else {
        return false;
    };
    deaths[..=here].iter().all(|death| text(death, "reason").as_deref() != Some(REJECTED))
}
