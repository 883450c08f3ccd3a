use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use amq_protocol::types::{AMQPValue, FieldTable};

use super::{
    broker::Broker,
    exception::Exception,
    message::{Message, text},
};

/// An exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exchange {
    pub(super) kind: String,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    /// It takes messages of exchanges only.
    pub(super) internal: bool,
    pub(super) arguments: FieldTable,
}

impl Exchange {
    pub(super) fn durable(kind: &str) -> Self {
        Self { kind: kind.to_owned(), durable: true, ..Self::default() }
    }

    /// In what the two differ.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let same = [
            ("type", self.kind == other.kind),
            ("durable", self.durable == other.durable),
            ("auto_delete", self.auto_delete == other.auto_delete),
            ("internal", self.internal == other.internal),
            ("alternate-exchange", self.alternate() == other.alternate()),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }

    /// Where a message goes that no binding of this one wants.
    pub(super) fn alternate(&self) -> Option<String> {
        text(&self.arguments, "alternate-exchange")
    }
}

/// What an exchange passes messages to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Queue(String),
    Exchange(String),
}

impl Destination {
    pub(super) fn queue(&self) -> Option<&str> {
        match self {
            Self::Queue(name) => Some(name),
            Self::Exchange(_) => None,
        }
    }

    pub(super) fn is_queue(&self, name: &str) -> bool {
        self.queue() == Some(name)
    }

    pub(super) fn is_exchange(&self, name: &str) -> bool {
        matches!(self, Self::Exchange(exchange) if exchange == name)
    }
}

/// A binding to an exchange.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binding {
    pub(super) exchange: String,
    pub(super) destination: Destination,
    pub(super) routing_key: String,
    pub(super) arguments: FieldTable,
    /// When a client made it; none for what the set-up of a scenario made.
    pub(super) since: Option<Duration>,
}

impl Binding {
    /// Whether it says the same, whenever it was made.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let says = |binding: &Self| Self { since: None, ..binding.clone() };
        says(self) == says(other)
    }

    /// Whether it can be made.
    ///
    /// # Errors
    /// `x-match` is no way to match that there is.
    pub(super) fn check(&self) -> Result<(), Exception> {
        match text(&self.arguments, "x-match").as_deref() {
            None | Some("all" | "any" | "all-with-x" | "any-with-x") => Ok(()),
            Some(other) => Err(Exception::new(
                406,
                format!("PRECONDITION_FAILED - Invalid x-match field value '{other}'; expected all or any"),
            )),
        }
    }

    /// Whether a message that was published to this exchange passes.
    pub(super) fn matches(&self, kind: &str, message: &Message) -> bool {
        match kind {
            "fanout" => true,
            "topic" => topic_matches(&self.routing_key, &message.routing_key),
            "headers" => self.headers_match(message),
            _ => self.routing_key == message.routing_key,
        }
    }

    fn headers_match(&self, message: &Message) -> bool {
        let how = text(&self.arguments, "x-match").unwrap_or_default();
        let with_x = how.ends_with("-with-x");
        let headers = message.properties.headers().clone().unwrap_or_default();
        let mut wanted = self.arguments.inner().iter().filter(|(name, _)| {
            let name = name.as_str();
            name != "x-match" && (with_x || !name.starts_with("x-"))
        });
        let carries = |(name, value): (&amq_protocol::types::ShortString, &AMQPValue)| {
            let found = headers.inner().get(name.as_str());
            // Without a value, it is about the name only.
            found.is_some_and(|found| *value == AMQPValue::Void || found == value)
        };
        if how.starts_with("any") { wanted.any(carries) } else { wanted.all(carries) }
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

/// The exchanges that every virtual host has.
pub(super) fn standard_exchanges() -> BTreeMap<String, Exchange> {
    let kinds = ["direct", "fanout", "topic", "headers"];
    kinds.into_iter().map(|kind| (format!("amq.{kind}"), Exchange::durable(kind))).collect()
}

impl Broker {
    /// The queues that a message goes to: each once, however many ways lead there.
    pub(super) fn targets(&self, message: &Message) -> BTreeSet<String> {
        let mut targets = BTreeSet::new();
        let (mut ahead, mut seen) = (vec![message.exchange.clone()], BTreeSet::new());
        while let Some(name) = ahead.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            if name.is_empty() {
                targets.extend(
                    self.queues.contains_key(&message.routing_key).then(|| message.routing_key.clone()),
                );
                continue;
            }
            let Some(exchange) = self.exchanges.get(&name) else { continue };
            let mut wanted = false;
            let bound = self.bindings.iter().filter(|binding| binding.exchange == name);
            for binding in bound.filter(|b| self.is_in_force(b) && b.matches(&exchange.kind, message)) {
                wanted = true;
                match &binding.destination {
                    Destination::Queue(queue) => drop(targets.insert(queue.clone())),
                    Destination::Exchange(next) => ahead.push(next.clone()),
                }
            }
            if !wanted {
                ahead.extend(exchange.alternate());
            }
        }
        targets
    }

    /// Whether messages are routed by it already.
    fn is_in_force(&self, binding: &Binding) -> bool {
        match (binding.since, self.binding_delay) {
            (Some(since), Some(delay)) => self.clock.now() >= since + delay,
            _ => true,
        }
    }

    pub(super) fn bind(&mut self, binding: Binding) {
        if !self.bindings.iter().any(|known| known.is_same(&binding)) {
            self.bindings.push(binding);
        }
    }

    /// Removes a binding; what is not bound is no matter.
    pub(super) fn unbind(&mut self, binding: &Binding) {
        let before = self.bindings.len();
        self.bindings.retain(|known| !known.is_same(binding));
        if self.bindings.len() != before {
            self.delete_exchange_if_unused(&binding.exchange);
        }
    }
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
