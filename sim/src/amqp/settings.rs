//! What the arguments of a queue's declaration say.

use std::time::Duration;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::{
    exception::Exception,
    message::{number, text},
};

/// The kinds of queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Messages are gone when acked.
    #[default]
    Classic,
    /// The same, replicated: nothing in it is transient, and it counts how often a message comes back.
    Quorum,
    /// Messages stay, and are read by position.
    Stream,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

/// What a full queue does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Overflow {
    #[default]
    DropHead,
    RejectPublish,
    /// What is rejected becomes a dead letter.
    RejectPublishDlx,
}

/// The arguments of a queue, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) kind: Kind,
    pub(super) message_ttl: Option<Duration>,
    /// How long the queue may be without use.
    pub(super) expires: Option<Duration>,
    pub(super) length_max: Option<usize>,
    pub(super) bytes_max: Option<usize>,
    pub(super) overflow: Overflow,
    pub(super) dead_letter_exchange: Option<String>,
    pub(super) dead_letter_key: Option<String>,
    pub(super) single_active: bool,
    /// How often a message may come back.
    pub(super) delivery_limit: Option<u64>,
    pub(super) priority_max: u8,
}

const CLASSIC: &[Kind] = &[Kind::Classic];
const QUORUM: &[Kind] = &[Kind::Quorum];
const NO_STREAM: &[Kind] = &[Kind::Classic, Kind::Quorum];
const EVERY: &[Kind] = &[Kind::Classic, Kind::Quorum, Kind::Stream];

/// Which kinds of queues know which argument. What is not listed is ignored, as RabbitMQ does.
const KNOWN_BY: [(&str, &[Kind]); 11] = [
    (QUEUE_TYPE, EVERY),
    (MESSAGE_TTL, NO_STREAM),
    (EXPIRES, NO_STREAM),
    (LENGTH_MAX, NO_STREAM),
    (BYTES_MAX, EVERY),
    (OVERFLOW, NO_STREAM),
    (DEAD_LETTER_EXCHANGE, NO_STREAM),
    (DEAD_LETTER_KEY, NO_STREAM),
    (SINGLE_ACTIVE, NO_STREAM),
    (DELIVERY_LIMIT, QUORUM),
    (PRIORITY_MAX, CLASSIC),
];

const QUEUE_TYPE: &str = "x-queue-type";
const MESSAGE_TTL: &str = "x-message-ttl";
const EXPIRES: &str = "x-expires";
const LENGTH_MAX: &str = "x-max-length";
const BYTES_MAX: &str = "x-max-length-bytes";
const OVERFLOW: &str = "x-overflow";
const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const DEAD_LETTER_KEY: &str = "x-dead-letter-routing-key";
const SINGLE_ACTIVE: &str = "x-single-active-consumer";
const DELIVERY_LIMIT: &str = "x-delivery-limit";
const PRIORITY_MAX: &str = "x-max-priority";

impl Settings {
    /// Those of the arguments.
    ///
    /// # Errors
    /// An argument has the wrong type or value, or is not one of this kind of queue.
    pub(super) fn of(arguments: &FieldTable, queue: &str) -> Result<Self, Exception> {
        Arguments { arguments, queue }.settings()
    }

    /// An argument in which the two differ.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let same = [
            (QUEUE_TYPE, self.kind == other.kind),
            (MESSAGE_TTL, self.message_ttl == other.message_ttl),
            (EXPIRES, self.expires == other.expires),
            (LENGTH_MAX, self.length_max == other.length_max),
            (BYTES_MAX, self.bytes_max == other.bytes_max),
            (OVERFLOW, self.overflow == other.overflow),
            (DEAD_LETTER_EXCHANGE, self.dead_letter_exchange == other.dead_letter_exchange),
            (DEAD_LETTER_KEY, self.dead_letter_key == other.dead_letter_key),
            (SINGLE_ACTIVE, self.single_active == other.single_active),
            (DELIVERY_LIMIT, self.delivery_limit == other.delivery_limit),
            (PRIORITY_MAX, self.priority_max == other.priority_max),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }
}

struct Arguments<'a> {
    arguments: &'a FieldTable,
    queue: &'a str,
}

impl Arguments<'_> {
    fn settings(&self) -> Result<Settings, Exception> {
        let kind = match self.text(QUEUE_TYPE)?.as_deref() {
            None | Some("classic") => Kind::Classic,
            Some("quorum") => Kind::Quorum,
            Some("stream") => Kind::Stream,
            Some(_) => return Err(self.invalid(QUEUE_TYPE, "unsupported queue type")),
        };
        for (name, kinds) in KNOWN_BY {
            if !kinds.contains(&kind) && self.value(name).is_some() {
                return Err(self.invalid(name, &format!("unknown to queues of type {}", kind.name())));
            }
        }
        let overflow = match self.text(OVERFLOW)?.as_deref() {
            None | Some("drop-head") => Overflow::DropHead,
            Some("reject-publish") => Overflow::RejectPublish,
            Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
            Some(_) => return Err(self.invalid(OVERFLOW, "unknown policy")),
        };
        let (exchange, key) = (self.text(DEAD_LETTER_EXCHANGE)?, self.text(DEAD_LETTER_KEY)?);
        if exchange.is_none() && key.is_some() {
            return Err(self.invalid(DEAD_LETTER_KEY, "there is no dead letter exchange"));
        }
        let single_active = match self.value(SINGLE_ACTIVE) {
            None => false,
            Some(AMQPValue::Boolean(value)) => *value,
            Some(_) => return Err(self.invalid(SINGLE_ACTIVE, "no boolean")),
        };
        let size = |value: Option<u64>| value.map(|value| usize::try_from(value).unwrap_or(usize::MAX));
        Ok(Settings {
            kind,
            message_ttl: self.at_least(MESSAGE_TTL, 0)?.map(Duration::from_millis),
            expires: self.at_least(EXPIRES, 1)?.map(Duration::from_millis),
            length_max: size(self.at_least(LENGTH_MAX, 0)?),
            bytes_max: size(self.at_least(BYTES_MAX, 0)?),
            overflow,
            dead_letter_exchange: exchange,
            dead_letter_key: key,
            single_active,
            delivery_limit: self.at_least(DELIVERY_LIMIT, 0)?,
            priority_max: u8::try_from(self.at_least(PRIORITY_MAX, 0)?.unwrap_or_default())
                .map_err(|_| self.invalid(PRIORITY_MAX, "above 255"))?,
        })
    }

    fn value(&self, name: &str) -> Option<&AMQPValue> {
        self.arguments.inner().get(name)
    }

    fn text(&self, name: &str) -> Result<Option<String>, Exception> {
        match (self.value(name), text(self.arguments, name)) {
            (Some(_), None) => Err(self.invalid(name, "no text")),
            (_, text) => Ok(text),
        }
    }

    fn at_least(&self, name: &str, least: u64) -> Result<Option<u64>, Exception> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let value = number(value).ok_or_else(|| self.invalid(name, "no number"))?;
        u64::try_from(value)
            .ok()
            .filter(|value| *value >= least)
            .map(Some)
            .ok_or_else(|| self.invalid(name, "out of range"))
    }

    fn invalid(&self, name: &str, why: &str) -> Exception {
        let text = format!(
            "PRECONDITION_FAILED - invalid arg '{name}' for queue '{}' in vhost '/': {why}",
            self.queue
        );
        Exception::new(406, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_is_known_to_nobody_is_ignored() {
        let mut arguments = FieldTable::default();
        arguments.insert("x-mine".into(), AMQPValue::LongInt(1));
        assert_eq!(Settings::of(&arguments, "q"), Ok(Settings::default()));
    }

    #[test]
    fn a_difference_is_named_by_its_argument() {
        let mut arguments = FieldTable::default();
        arguments.insert(LENGTH_MAX.into(), AMQPValue::LongInt(5));
        let settings = Settings::of(&arguments, "q").unwrap();
        assert_eq!(settings.difference(&settings), None);
        assert_eq!(settings.difference(&Settings::default()), Some("x-max-length"));
    }
}
