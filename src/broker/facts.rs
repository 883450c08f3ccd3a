use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::Binding;

/// What is known of a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueFacts {
    /// Where this comes from, and so how much of it is known.
    pub source: FactsSource,
    /// Its kind.
    pub kind: QueueKind,
    /// Whether it survives a restart of the broker.
    pub durable: bool,
    /// Whether it dies with a connection.
    pub exclusive: bool,
    /// Whether it dies with its last consumer.
    pub auto_delete: bool,
    /// Its arguments, and what policies add.
    pub arguments: BTreeMap<String, Value>,
    /// Its consumers.
    pub consumers: Vec<ConsumerFacts>,
    /// What it is bound to, the default exchange not counted.
    pub bindings: Vec<BoundTo>,
}

/// Where facts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactsSource {
    /// The management API: everything is known.
    Management,
    /// A passive declare: only that it exists, and how many consumers it has.
    PassiveDeclare,
}

/// Kinds of queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// Classic.
    Classic,
    /// Quorum: does not enforce exclusive consumers.
    Quorum,
    /// A log.
    Stream,
}

/// A consumer of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerFacts {
    /// Its tag.
    pub tag: String,
    /// Whether nobody else may consume.
    pub exclusive: bool,
}

/// A binding, and the kind of its exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundTo {
    /// The binding.
    pub binding: Binding,
    /// `direct`, `fanout`, `topic`, `headers`, or what a plugin calls it.
    pub exchange_kind: String,
}
