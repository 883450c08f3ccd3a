//! What of a queue's facts speaks against mirroring it. Reasons are stable words.

use super::{FactsSource, QueueFacts, QueueKind};
use crate::{api::Binding, protocol::Finding};

/// The queue does not exist.
pub const QUEUE_NOT_FOUND: &str = "QueueNotFound";
/// The queue is fed through the default exchange only, which cannot be mirrored.
pub const QUEUE_NOT_BOUND: &str = "QueueNotBound";
/// The queue, or what is in it, does not survive a restart of the broker.
pub const QUEUE_NOT_DURABLE: &str = "QueueNotDurable";
/// The queue is not consumed by exactly one, exclusive consumer.
pub const QUEUE_NOT_FENCED: &str = "QueueNotFenced";
/// The queue may drop, divert or reorder messages by itself.
pub const QUEUE_UNSUITABLE: &str = "QueueUnsuitable";
/// An exchange would send a message to `Q` or to `R`, not to both.
pub const EXCHANGE_UNSUITABLE: &str = "ExchangeUnsuitable";
/// The queue drops what is returned to it too often.
pub const DELIVERY_LIMITED: &str = "DeliveryLimited";
/// Not everything could be checked, because no management API was given.
pub const QUEUE_UNCHECKED: &str = "QueueUnchecked";

/// Arguments and policies that make a queue drop or divert messages, or deliver them in another order.
const UNSUITABLE: [(&str, &str); 9] = [
    ("x-message-ttl", "messages expire"),
    ("message-ttl", "messages expire"),
    ("x-max-length", "messages are dropped when it is full"),
    ("max-length", "messages are dropped when it is full"),
    ("x-max-length-bytes", "messages are dropped when it is full"),
    ("max-length-bytes", "messages are dropped when it is full"),
    ("x-max-priority", "messages overtake each other"),
    ("x-expires", "the queue itself expires"),
    ("expires", "the queue itself expires"),
];

/// After how many returns a quorum queue drops a message, or has it dead-lettered.
const DELIVERY_LIMITS: [&str; 2] = ["x-delivery-limit", "delivery-limit"];

/// Everything that speaks against it; `given` are the bindings of the spec.
pub fn check(queue: &str, facts: Option<&QueueFacts>, given: &[Binding]) -> Vec<Finding> {
    let Some(facts) = facts else {
        let message = format!("queue {queue} does not exist: name the queue that the pod consumes");
        return vec![Finding { reason: QUEUE_NOT_FOUND, message }];
    };
    let mut findings = Vec::new();
    let mut find = |reason, message: String| findings.push(Finding { reason, message });
    if facts.source == FactsSource::PassiveDeclare {
        if given.is_empty() {
            find(
                QUEUE_NOT_BOUND,
                format!("queue {queue}: without a management URL the spec must give its bindings"),
            );
        }
        if facts.consumers.len() != 1 {
            let count = facts.consumers.len();
            find(
                QUEUE_NOT_FENCED,
                format!("queue {queue} has {count} consumers: it needs exactly one, exclusive"),
            );
        }
        return findings;
    }
    if facts.bindings.is_empty() {
        find(
            QUEUE_NOT_BOUND,
            format!(
                "queue {queue} is fed through the default exchange, which cannot be mirrored: bind it to a named \
                 exchange, and publish there"
            ),
        );
    }
    if !facts.durable || facts.exclusive || facts.auto_delete {
        find(
            QUEUE_NOT_DURABLE,
            format!(
                "queue {queue} is not durable, exclusive, or deleted by itself: declare it durable and lasting"
            ),
        );
    }
    if let Some(message) = unfenced(queue, facts) {
        find(QUEUE_NOT_FENCED, message);
    }
    if facts.kind == QueueKind::Stream {
        find(QUEUE_UNSUITABLE, format!("queue {queue} is a stream, which this version cannot migrate yet"));
    }
    for (name, why) in UNSUITABLE {
        if facts.arguments.contains_key(name) {
            find(QUEUE_UNSUITABLE, format!("queue {queue} has {name}: {why}; remove it"));
        }
    }
    for bound in &facts.bindings {
        if !matches!(bound.exchange_kind.as_str(), "direct" | "fanout" | "topic" | "headers") {
            let (exchange, kind) = (&bound.binding.exchange, &bound.exchange_kind);
            let message = format!(
                "exchange {exchange} is of type {kind}, which sends a message to one of its queues, not to all"
            );
            find(EXCHANGE_UNSUITABLE, message);
        }
    }
    findings
}

/// What does not stop a migration, but should be known.
pub fn warnings(queue: &str, facts: &QueueFacts) -> Vec<Finding> {
    if facts.source == FactsSource::Management {
        return delivery_limit(queue, facts).into_iter().collect();
    }
    let message = format!(
        "without a management URL the settings of queue {queue} and changes of its bindings could not be checked"
    );
    vec![Finding { reason: QUEUE_UNCHECKED, message }]
}

/// Of a quorum queue: no other has one. A negative limit is none, which RabbitMQ knows from 4.0 on.
fn delivery_limit(queue: &str, facts: &QueueFacts) -> Option<Finding> {
    if facts.kind != QueueKind::Quorum {
        return None;
    }
    let mut set = DELIVERY_LIMITS.iter().filter_map(|name| Some((name, facts.arguments.get(*name)?)));
    let (name, limit) = set.find(|(_, limit)| limit.as_i64().is_none_or(|limit| limit >= 0))?;
    let message = format!(
        "queue {queue} has {name} {limit}: each time that its consumer stops, dies or loses its connection, what it \
         holds counts as returned, and a message that was returned more often is dropped or dead-lettered, while those \
         of its producer that come after it wait for it; remove the limit, from RabbitMQ 4 on by setting it to -1"
    );
    Some(Finding { reason: DELIVERY_LIMITED, message })
}

fn unfenced(queue: &str, facts: &QueueFacts) -> Option<String> {
    let single_active =
        facts.arguments.get("x-single-active-consumer").and_then(serde_json::Value::as_bool).unwrap_or(false);
    match (facts.kind, facts.consumers.as_slice()) {
        (QueueKind::Quorum, _) if !single_active => Some(format!(
            "queue {queue} is a quorum queue, which does not enforce exclusive consumers: declare it with \
             x-single-active-consumer"
        )),
        (_, []) => Some(format!(
            "queue {queue} has no consumer that the management API knows of, which takes up to 5 s: the source must consume it"
        )),
        (QueueKind::Classic, [one]) if !one.exclusive && !single_active => {
            Some(format!("queue {queue}'s consumer is not exclusive: ms2m-app makes it so"))
        }
        (_, [_]) => None,
        // Of a single active consumer, too: the one that waits would take the queue when the source is told to stop.
        (_, many) => Some(format!(
            "queue {queue} has {} consumers: it needs one, because any other takes it when the source stops; end the others",
            many.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::broker::{BoundTo, ConsumerFacts};

    fn good() -> QueueFacts {
        QueueFacts {
            source: FactsSource::Management,
            kind: QueueKind::Classic,
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: BTreeMap::default(),
            consumers: vec![ConsumerFacts { tag: "c".into(), exclusive: true }],
            bindings: vec![bound("topic")],
        }
    }

    fn bound(kind: &str) -> BoundTo {
        let binding =
            Binding { exchange: "x".into(), routing_key: "k".into(), arguments: BTreeMap::default() };
        BoundTo { binding, exchange_kind: kind.into() }
    }

    fn reasons(facts: &QueueFacts) -> Vec<&'static str> {
        check("orders", Some(facts), &[]).iter().map(|finding| finding.reason).collect()
    }

    #[test]
    fn a_bound_durable_queue_with_one_exclusive_consumer_is_accepted() {
        assert_eq!(reasons(&good()), Vec::<&str>::new());
    }

    #[test]
    fn every_other_queue_is_refused_with_a_reason() {
        let argument =
            |name: &str, value| QueueFacts { arguments: [(name.to_owned(), value)].into(), ..good() };
        let consumer = |exclusive| ConsumerFacts { tag: "c".into(), exclusive };
        let cases = [
            (QueueFacts { bindings: vec![], ..good() }, QUEUE_NOT_BOUND),
            (QueueFacts { durable: false, ..good() }, QUEUE_NOT_DURABLE),
            (QueueFacts { auto_delete: true, ..good() }, QUEUE_NOT_DURABLE),
            (QueueFacts { consumers: vec![], ..good() }, QUEUE_NOT_FENCED),
            (QueueFacts { consumers: vec![consumer(false)], ..good() }, QUEUE_NOT_FENCED),
            (QueueFacts { consumers: vec![consumer(true), consumer(false)], ..good() }, QUEUE_NOT_FENCED),
            (QueueFacts { kind: QueueKind::Quorum, ..good() }, QUEUE_NOT_FENCED),
            (QueueFacts { kind: QueueKind::Stream, ..good() }, QUEUE_UNSUITABLE),
            (argument("x-message-ttl", json!(1000)), QUEUE_UNSUITABLE),
            (argument("max-length", json!(10)), QUEUE_UNSUITABLE),
            (argument("x-max-priority", json!(5)), QUEUE_UNSUITABLE),
            (argument("expires", json!(60_000)), QUEUE_UNSUITABLE),
            (QueueFacts { bindings: vec![bound("x-consistent-hash")], ..good() }, EXCHANGE_UNSUITABLE),
        ];
        for (facts, reason) in cases {
            assert_eq!(reasons(&facts), [reason], "{facts:?}");
        }
        assert_eq!(check("orders", None, &[])[0].reason, QUEUE_NOT_FOUND);
    }

    fn quorum(arguments: &[(&str, i64)]) -> QueueFacts {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let fenced = ("x-single-active-consumer".to_owned(), json!(true));
        QueueFacts { kind: QueueKind::Quorum, arguments: arguments.chain([fenced]).collect(), ..good() }
    }

    #[test]
    fn a_queue_that_drops_what_comes_back_too_often_is_moved_with_a_warning() {
        for name in DELIVERY_LIMITS {
            let facts = quorum(&[(name, 20)]);
            let warnings = warnings("orders", &facts);
            assert_eq!((reasons(&facts).len(), warnings.len(), warnings[0].reason), (0, 1, DELIVERY_LIMITED));
            assert!(warnings[0].message.contains(&format!("{name} 20")), "{}", warnings[0].message);
        }
    }

    #[test]
    fn a_queue_without_a_delivery_limit_is_not_warned_of() {
        let classic = QueueFacts { arguments: quorum(&[("delivery-limit", 5)]).arguments, ..good() };
        for facts in [good(), quorum(&[]), quorum(&[("x-delivery-limit", -1)]), classic] {
            assert_eq!(warnings("orders", &facts), [], "{facts:?}");
        }
        // The one that is none takes nothing away from the other.
        assert_eq!(warnings("orders", &quorum(&[("delivery-limit", 5), ("x-delivery-limit", -1)])).len(), 1);
    }

    #[test]
    fn a_single_active_consumer_is_a_fence_too() {
        let facts = QueueFacts {
            kind: QueueKind::Quorum,
            arguments: [("x-single-active-consumer".to_owned(), json!(true))].into(),
            consumers: vec![ConsumerFacts { tag: "a".into(), exclusive: false }],
            ..good()
        };
        assert_eq!(reasons(&facts), Vec::<&str>::new());
        let standby = QueueFacts { consumers: [&facts.consumers[..], &facts.consumers].concat(), ..facts };
        assert_eq!(reasons(&standby), [QUEUE_NOT_FENCED]);
    }
}
