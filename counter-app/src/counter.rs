use std::time::Duration;

use ms2m_app::{Handler, Malformed, Message, Output};
use serde::{Deserialize, Serialize};

use crate::CounterState;

/// Body of a message: `{"value": 42}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// What is added to the sum.
    pub value: i64,
}

/// Where a [`Counter`] says what it has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTo {
    /// Exchange.
    pub exchange: String,
    /// Routing key.
    pub routing_key: String,
}

/// Counts and sums.
///
/// Its state is a function of the set of messages and of each producer's order: messages of different producers
/// commute, as the protocol asks.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    /// Where each message's value is published again; none publishes nothing.
    pub output: Option<OutputTo>,
    /// Time that the work on one message takes: bounds the rate μ at which messages can be applied.
    pub cost: Duration,
}

impl Handler for Counter {
    type State = CounterState;

    fn apply(&self, state: &mut CounterState, message: &Message) -> Result<Option<Output>, Malformed> {
        let body: Body =
            serde_json::from_slice(&message.body).map_err(|error| Malformed(error.to_string()))?;
        state.add(&message.id, body.value);
        // The value and not the sum: the sum depends on how producers interleave, and an output must not.
        Ok(self.output.as_ref().map(|to| Output {
            exchange: to.exchange.clone(),
            routing_key: to.routing_key.clone(),
            body: message.body.clone(),
        }))
    }

    fn cost(&self, _message: &Message) -> Duration {
        self.cost
    }
}

#[cfg(test)]
mod tests {
    use ms2m_app::contract::MessageId;

    use super::*;

    fn message(body: &str) -> Message {
        let id = MessageId { producer: "a".to_owned(), seq: 1 };
        Message { id, routing_key: "work".to_owned(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn applies_a_value_and_says_it_again() {
        let output = OutputTo { exchange: "counted".to_owned(), routing_key: "value".to_owned() };
        let counter = Counter { output: Some(output), cost: Duration::from_millis(3) };
        let mut state = CounterState::default();
        let said = counter.apply(&mut state, &message(r#"{"value": -4}"#)).unwrap().unwrap();
        assert_eq!((state.count, state.sum), (1, -4));
        assert_eq!((said.exchange.as_str(), said.routing_key.as_str()), ("counted", "value"));
        assert_eq!(counter.cost(&message("{}")), Duration::from_millis(3));
    }

    #[test]
    fn malformed_bodies_leave_the_state_alone() {
        let mut state = CounterState::started("one");
        for body in ["", "{}", r#"{"value": 1.5}"#, r#"{"value": 9223372036854775808}"#, "[]"] {
            assert!(Counter::default().apply(&mut state, &message(body)).is_err(), "{body}");
        }
        assert_eq!(state, CounterState::started("one"));
    }
}
