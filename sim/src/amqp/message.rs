use std::time::Duration;

use amq_protocol::{
    protocol::basic::AMQPProperties,
    types::{AMQPValue, FieldTable},
};
use ms2m_app::contract::HEADER_CONTROL;

use super::exception::Exception;

/// A message as it was published.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) properties: AMQPProperties,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// Whether it is a command, a reply or a marker of the protocol.
    pub(super) fn is_control(&self) -> bool {
        let to = |prefix: &str| self.routing_key.starts_with(prefix);
        let marker =
            self.properties.headers().as_ref().is_some_and(|h| h.inner().contains_key(HEADER_CONTROL));
        self.exchange.is_empty()
            && (marker || ((to("ms2m.control.") || to("ms2m.replies.")) && !self.is_flush()))
    }

    /// What an application publishes to itself.
    fn is_flush(&self) -> bool {
        self.body.is_empty()
    }

    pub(super) fn is_persistent(&self) -> bool {
        self.properties.delivery_mode() == &Some(2)
    }

    /// How long it wants to wait in a queue, where it says so.
    pub(super) fn expiration(&self) -> Result<Option<Duration>, Exception> {
        let Some(text) = self.properties.expiration() else { return Ok(None) };
        let after = text.as_str().parse::<u32>().map_err(|_| {
            Exception::new(406, format!("PRECONDITION_FAILED - invalid expiration '{text}': no number"))
        })?;
        Ok(Some(Duration::from_millis(after.into())))
    }
}

/// A text argument.
pub(super) fn text(table: &FieldTable, key: &str) -> Option<String> {
    match table.inner().get(key)? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A number, whatever its width.
pub(super) fn number(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(value) => Some((*value).into()),
        AMQPValue::ShortShortUInt(value) => Some((*value).into()),
        AMQPValue::ShortInt(value) => Some((*value).into()),
        AMQPValue::ShortUInt(value) => Some((*value).into()),
        AMQPValue::LongInt(value) => Some((*value).into()),
        AMQPValue::LongUInt(value) => Some((*value).into()),
        AMQPValue::LongLongInt(value) => Some(*value),
        _ => None,
    }
}
