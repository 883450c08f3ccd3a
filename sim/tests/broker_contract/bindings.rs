use lapin::{
    Channel, Confirmation, ExchangeKind,
    options::BasicConsumeOptions,
    types::{AMQPValue, FieldTable},
};
use ms2m::{
    api::Binding,
    broker::{Broker as _, Lane},
};

use crate::rig::{Rig, bind, bodies, prefetch, publish, quiet, table};

fn from_start() -> FieldTable {
    table(&[("x-stream-offset", "first")])
}

/// Checks that a queue holds these messages, and nothing else.
async fn holds(rig: &Rig, queue: &str, arguments: FieldTable, expected: &[&str]) {
    let (_connection, reader) = rig.channel().await;
    prefetch(&reader, 100).await;
    let options = BasicConsumeOptions::default();
    let mut consumer = reader.basic_consume(queue.into(), "".into(), options, arguments).await.unwrap();
    assert_eq!(bodies(&mut consumer, expected.len()).await, expected, "{queue}");
    quiet(&mut consumer).await;
}

/// A queue with one binding, and its mirror, made by the adapter.
struct Mirrored {
    exchange: String,
    queue: String,
    replay: String,
    bindings: Vec<Binding>,
    lane: std::sync::Arc<dyn Lane>,
    channel: Channel,
    _connection: lapin::Connection,
}

impl Mirrored {
    async fn new(rig: &Rig, kind: ExchangeKind, keys: &[&str], arguments: FieldTable) -> Self {
        let (connection, channel) = rig.channel().await;
        let exchange = rig.exchange(&channel, kind).await;
        let queue = rig.queue(&channel, "q").await;
        for key in keys {
            bind(&channel, &queue, &exchange, key, arguments.clone()).await;
        }
        let broker = rig.adapter();
        let facts = broker.inspect(&queue).await.unwrap().expect("the queue is there");
        let bindings: Vec<Binding> = facts.bindings.into_iter().map(|bound| bound.binding).collect();
        assert_eq!(bindings.len(), keys.len(), "{bindings:?}");
        let (lane, replay) = (broker.lane().await.unwrap(), rig.name("r"));
        lane.mirror(&replay, &bindings).await.unwrap();
        Self { exchange, queue, replay, bindings, lane, channel, _connection: connection }
    }

    async fn publish(&self, key: &str, body: &str, headers: FieldTable) -> Confirmation {
        publish(&self.channel, &self.exchange, key, body, headers).await
    }

    /// Checks that both hold these messages, and nothing else.
    async fn both_hold(&self, rig: &Rig, expected: &[&str]) {
        holds(rig, &self.queue, FieldTable::default(), expected).await;
        holds(rig, &self.replay, from_start(), expected).await;
        self.lane.delete_queue(&self.replay).await.unwrap();
        self.lane.delete_queue(&self.queue).await.unwrap();
    }
}

fn none() -> FieldTable {
    FieldTable::default()
}

pub(super) async fn a_direct_binding_mirrors_every_message_once(rig: &Rig) {
    let mirrored = Mirrored::new(rig, ExchangeKind::Direct, &["new"], none()).await;
    for body in ["1", "2"] {
        mirrored.publish("new", body, none()).await;
    }
    mirrored.publish("old", "other", none()).await;
    mirrored.both_hold(rig, &["1", "2"]).await;
}

pub(super) async fn a_topic_binding_mirrors_what_matches(rig: &Rig) {
    let mirrored = Mirrored::new(rig, ExchangeKind::Topic, &["orders.*.eu"], none()).await;
    for (key, body) in
        [("orders.new.eu", "1"), ("orders.new.us", "2"), ("orders.eu", "3"), ("orders.old.eu", "4")]
    {
        mirrored.publish(key, body, none()).await;
    }
    mirrored.both_hold(rig, &["1", "4"]).await;
}

pub(super) async fn a_fanout_binding_mirrors_whatever_the_key(rig: &Rig) {
    let mirrored = Mirrored::new(rig, ExchangeKind::Fanout, &[""], none()).await;
    mirrored.publish("whatever", "1", none()).await;
    mirrored.both_hold(rig, &["1"]).await;
}

pub(super) async fn a_headers_binding_mirrors_what_matches(rig: &Rig) {
    let mut arguments = table(&[("x-match", "all"), ("region", "eu")]);
    arguments.insert("express".into(), AMQPValue::Boolean(true));
    let mirrored = Mirrored::new(rig, ExchangeKind::Headers, &[""], arguments).await;
    let mut matching = table(&[("region", "eu"), ("more", "x")]);
    matching.insert("express".into(), AMQPValue::Boolean(true));
    mirrored.publish("", "1", matching).await;
    mirrored.publish("", "2", table(&[("region", "eu")])).await;
    mirrored.both_hold(rig, &["1"]).await;
}

pub(super) async fn two_bindings_of_one_message_deliver_it_once(rig: &Rig) {
    let mirrored = Mirrored::new(rig, ExchangeKind::Topic, &["orders.#", "*.new"], none()).await;
    mirrored.publish("orders.new", "1", none()).await;
    mirrored.both_hold(rig, &["1"]).await;
}

pub(super) async fn after_unbinding_nothing_more_arrives(rig: &Rig) {
    let mirrored = Mirrored::new(rig, ExchangeKind::Direct, &["new"], none()).await;
    mirrored.publish("new", "1", none()).await;
    mirrored.lane.unbind(&mirrored.replay, &mirrored.bindings).await.unwrap();
    mirrored.publish("new", "2", none()).await;
    holds(rig, &mirrored.queue, FieldTable::default(), &["1", "2"]).await;
    holds(rig, &mirrored.replay, from_start(), &["1"]).await;
    mirrored.lane.delete_queue(&mirrored.replay).await.unwrap();
}

pub(super) async fn unbinding_what_is_not_bound_is_done(rig: &Rig) {
    let mirrored = Mirrored::new(rig, ExchangeKind::Direct, &["new"], none()).await;
    for _ in 0..2 {
        mirrored.lane.unbind(&mirrored.replay, &mirrored.bindings).await.unwrap();
    }
    mirrored.lane.delete_queue(&mirrored.replay).await.unwrap();
    mirrored.lane.unbind(&mirrored.replay, &mirrored.bindings).await.unwrap();
}
