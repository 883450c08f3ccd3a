use std::time::Duration;

use amq_protocol::types::FieldTable;

use super::queue::{Message, text};

/// An exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) kind: String,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
}

/// A binding of a queue to an exchange.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binding {
    pub(super) exchange: String,
    pub(super) queue: String,
    pub(super) routing_key: String,
    pub(super) arguments: FieldTable,
    /// When a client made it; none for what the set-up of a scenario made.
    pub(super) since: Option<Duration>,
}

impl Binding {
    /// Whether it says the same, whenever it was made.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let says =
            |binding: &Self| (binding.exchange.clone(), binding.queue.clone(), binding.routing_key.clone());
        says(self) == says(other) && self.arguments == other.arguments
    }

    /// Whether a message that was published to this exchange goes to this queue.
    pub(super) fn matches(&self, kind: &str, message: &Message) -> bool {
        match kind {
            "fanout" => true,
            "topic" => topic_matches(&self.routing_key, &message.routing_key),
            "headers" => self.headers_match(message),
            _ => self.routing_key == message.routing_key,
        }
    }

    fn headers_match(&self, message: &Message) -> bool {
        let any = text(&self.arguments, "x-match").as_deref() == Some("any");
        let headers = message.properties.headers().clone().unwrap_or_default();
        let mut wanted = self.arguments.inner().iter().filter(|(name, _)| !name.as_str().starts_with("x-"));
        let carries =
            |(name, value): (&amq_protocol::types::ShortString, &amq_protocol::types::AMQPValue)| {
                headers.inner().get(name.as_str()) == Some(value)
            };
        if any { wanted.any(carries) } else { wanted.all(carries) }
    }
}

/// `*` is one word, `#` any number of words.
fn topic_matches(pattern: &str, key: &str) -> bool {
    fn words_match(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), _) => (0..=key.len()).any(|skip| words_match(rest, &key[skip..])),
            (Some((&"*", rest)), Some((_, key))) => words_match(rest, key),
            (Some((word, rest)), Some((other, key))) => word == other && words_match(rest, key),
            _ => false,
        }
    }
    words_match(&pattern.split('.').collect::<Vec<_>>(), &key.split('.').collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_pattern_matches_word_by_word() {
        for (pattern, key, expected) in [
            ("orders.*", "orders.new", true),
            ("orders.*", "orders.new.eu", false),
            ("orders.#", "orders", true),
            ("orders.#", "orders.new.eu", true),
            ("#.eu", "orders.new.eu", true),
            ("*", "orders.new", false),
        ] {
            assert_eq!(topic_matches(pattern, key), expected, "{pattern} {key}");
        }
    }
}
