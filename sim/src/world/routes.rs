//! How messages get into a workload's queue: what is at the broker for it, and what its publishers say.

use std::collections::BTreeMap;

use amq_protocol::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::{Mistake, Names};
use crate::{
    amqp::{BindingView, SharedBroker},
    plan::{Bound, ExchangeKind, QueueKind, Shape},
};

/// The exchange of the usual kind; the others' names have their kind behind it.
const EXCHANGE: &str = "shop";
/// The exchange and the queue of dead letters.
const GRAVE: &str = "grave";
/// The header that says whose a message is, where the exchange goes by headers.
const WHOSE: &str = "queue";

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routes {
    names: Names,
    shape: Shape,
}

/// A way into the queue, as some of the publishers use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) exchange: String,
    /// Each message of a producer has the next one.
    pub(super) keys: Vec<String>,
    pub(super) headers: BTreeMap<String, String>,
}

impl Routes {
    pub(super) fn of(names: Names, shape: Shape) -> Self {
        Self { names, shape }
    }

    /// Puts exchanges, queue and bindings there, as they are or as a user got them wrong.
    pub(super) fn provide(self, broker: &SharedBroker, mistake: Option<Mistake>) {
        let kind = mistake.and_then(Mistake::exchange_kind).unwrap_or(self.shape.exchange.name());
        for exchange in self.exchanges() {
            broker.provide_exchange(&exchange, kind);
        }
        if self.shape.dead_letters {
            broker.provide(GRAVE, "fanout", GRAVE, "");
        }
        let mut arguments = self.arguments();
        if let Some((name, value)) = mistake.and_then(Mistake::queue_argument) {
            arguments.insert(name.into(), value);
        }
        let auto_delete = mistake == Some(Mistake::AutoDeleteQueue);
        broker.provide_queue_with(&self.names.queue(), arguments, auto_delete);
        for binding in self.bindings() {
            broker.bind(&binding);
        }
    }

    /// The queue's bindings as a migration's spec says them.
    pub(super) fn told(self) -> Vec<Value> {
        let told = |binding: BindingView| {
            json!({
                "exchange": binding.exchange,
                "routingKey": binding.routing_key,
                "arguments": binding.arguments,
            })
        };
        self.bindings().into_iter().map(told).collect()
    }

    /// The ways that the publishers share.
    pub(super) fn ways(self) -> Vec<Route> {
        let keys: Vec<String> = match self.shape.bound {
            Bound::Twice => vec![self.names.routing_key(), self.other_key()],
            Bound::Once | Bound::ToTwo => vec![self.names.routing_key()],
        };
        let headers = match self.shape.exchange {
            ExchangeKind::Headers => BTreeMap::from([(WHOSE.to_owned(), self.names.queue())]),
            _ => BTreeMap::new(),
        };
        let way = |exchange| Route { exchange, keys: keys.clone(), headers: headers.clone() };
        self.exchanges().into_iter().map(way).collect()
    }

    /// A binding that somebody adds, and that no message goes by.
    pub(super) fn added(self) -> BindingView {
        let nobodys = [("x-match", "all"), (WHOSE, "nobody")];
        let arguments = if self.shape.exchange == ExchangeKind::Headers { &nobodys[..] } else { &[] };
        self.binding(&self.exchange(), "added.later", arguments)
    }

    /// Whoever goes by keys or headers serves several workloads; what goes to all must have one's own.
    fn exchange(self) -> String {
        match self.shape.exchange {
            ExchangeKind::Topic => EXCHANGE.to_owned(),
            ExchangeKind::Fanout => self.names.with(&format!("{EXCHANGE}-fanout")),
            kind @ (ExchangeKind::Direct | ExchangeKind::Headers) => format!("{EXCHANGE}-{}", kind.name()),
        }
    }

    fn exchanges(self) -> Vec<String> {
        let first = self.exchange();
        match self.shape.bound {
            Bound::ToTwo => vec![first.clone(), format!("{first}-too")],
            Bound::Once | Bound::Twice => vec![first],
        }
    }

    fn other_key(self) -> String {
        format!("{}.again.eu", self.names.queue())
    }

    fn bindings(self) -> Vec<BindingView> {
        self.exchanges().iter().flat_map(|exchange| self.bindings_to(exchange)).collect()
    }

    fn bindings_to(self, exchange: &str) -> Vec<BindingView> {
        let (queue, key) = (self.names.queue(), self.names.routing_key());
        let all = [("x-match", "all"), (WHOSE, queue.as_str())];
        // The same messages once more, by other words: only the arguments tell the two bindings apart.
        let any = [("x-match", "any"), (WHOSE, queue.as_str()), ("urgent", "yes")];
        let (first, second) = match self.shape.exchange {
            ExchangeKind::Topic => {
                let pattern = format!("{queue}.again.#");
                (self.binding(exchange, &key, &[]), self.binding(exchange, &pattern, &[]))
            }
            ExchangeKind::Direct => {
                (self.binding(exchange, &key, &[]), self.binding(exchange, &self.other_key(), &[]))
            }
            ExchangeKind::Fanout => (self.binding(exchange, "", &[]), self.binding(exchange, &key, &[])),
            ExchangeKind::Headers => (self.binding(exchange, "", &all), self.binding(exchange, "", &any)),
        };
        if self.shape.bound == Bound::Twice { vec![first, second] } else { vec![first] }
    }

    fn binding(self, exchange: &str, routing_key: &str, arguments: &[(&str, &str)]) -> BindingView {
        BindingView {
            exchange: exchange.to_owned(),
            queue: self.names.queue(),
            routing_key: routing_key.to_owned(),
            arguments: arguments
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    fn arguments(self) -> FieldTable {
        let mut arguments = FieldTable::default();
        if self.shape.queue == QueueKind::Quorum {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        }
        if self.shape.dead_letters {
            arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(GRAVE.into()));
        }
        arguments
    }
}

/// How many producers, and which part of the messages, each of so many ways has: at least one producer, and as many of the
/// messages as its producers are of all.
pub(super) fn shared_by(ways: u32, producers: u32, rate: f64) -> Vec<(u32, f64)> {
    let each: Vec<u32> =
        (0..ways).map(|way| (producers / ways + u32::from(way < producers % ways)).max(1)).collect();
    let total: u32 = each.iter().sum();
    each.into_iter().map(|count| (count, rate * f64::from(count) / f64::from(total))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Workload;

    #[test]
    fn every_way_has_a_producer_and_all_have_the_rate() {
        assert_eq!(shared_by(1, 3, 12.0), [(3, 12.0)]);
        assert_eq!(shared_by(2, 3, 12.0), [(2, 8.0), (1, 4.0)]);
        assert_eq!(shared_by(2, 1, 12.0), [(1, 6.0), (1, 6.0)]);
    }

    #[test]
    fn two_workloads_share_an_exchange_only_where_it_tells_them_apart() {
        let workload = Workload::default();
        for exchange in ExchangeKind::ALL {
            let routes =
                |index| Routes::of(Names::of(index, &workload), Shape { exchange, ..Shape::default() });
            let shares = routes(0).exchanges() == routes(1).exchanges();
            assert_eq!(shares, exchange != ExchangeKind::Fanout, "{exchange:?}");
            assert_ne!(routes(0).bindings(), routes(1).bindings(), "{exchange:?}");
        }
    }
}
