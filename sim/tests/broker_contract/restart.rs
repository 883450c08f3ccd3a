use std::time::Duration;

use lapin::{
    BasicProperties, Connection, Consumer, ExchangeKind,
    options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use ms2m::broker::Broker as _;
use tokio::time::timeout;

use crate::{
    rig::{
        DEADLINE, DURABLE, Rig, bind, bodies, body, consume, declare, drain, fill, next, open, prefetch,
        publish, refused, send, table, take, until, within,
    },
    server::Server,
};

/// How long after a refusal it is tried again.
const AGAIN: Duration = Duration::from_millis(10);

fn none() -> FieldTable {
    FieldTable::default()
}

pub(super) async fn a_restart_leaves_what_is_durable_and_persistent(rig: &Rig) {
    let Some(whole) = rig.server.whole().await else { return };
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let exchange = rig.exchange(&channel, ExchangeKind::Direct).await;
    bind(&channel, &queue, &exchange, "new", none()).await;
    fill(&channel, &queue, &["1", "2"]).await;
    send(&channel, "", &queue, "transient", BasicProperties::default().with_delivery_mode(1)).await;
    let transient = rig.name("transient");
    let options = QueueDeclareOptions { durable: false, ..DURABLE };
    within(channel.queue_declare(transient.as_str().into(), options, none())).await;
    let passing = rig.name("passing");
    let kind = ExchangeKind::Fanout;
    let options = ExchangeDeclareOptions::default();
    within(channel.exchange_declare(passing.as_str().into(), kind.clone(), options, none())).await;
    whole.restart();
    until(|| !connection.status().connected()).await;

    let (connection, channel) = rig.channel().await;
    assert_eq!(drain(&channel, &queue).await, ["1", "2"]);
    publish(&channel, &exchange, "new", "3", none()).await;
    assert_eq!(drain(&channel, &queue).await, ["3"], "its binding is there, too");
    let other = open(&connection).await;
    let passive = QueueDeclareOptions { passive: true, ..DURABLE };
    assert_eq!(refused(other.queue_declare(transient.as_str().into(), passive, none())).await, 404);
    let other = open(&connection).await;
    let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
    assert_eq!(refused(other.exchange_declare(passing.as_str().into(), kind, passive, none())).await, 404);
}

pub(super) async fn a_restart_returns_what_was_unacked_in_its_place(rig: &Rig) {
    let Some(whole) = rig.server.whole().await else { return };
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3"]).await;
    prefetch(&channel, 2).await;
    let mut consumer = consume(&channel, &queue, true).await.unwrap();
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
    whole.restart();
    let (_connection, channel) = rig.channel().await;
    let mut consumer = consume(&channel, &queue, true).await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!((body(&again).as_str(), again.redelivered), ("1", true));
    assert_eq!(bodies(&mut consumer, 2).await, ["2", "3"]);
}

pub(super) async fn a_restart_leaves_everything_in_quorum_queues_and_streams(rig: &Rig) {
    let Some(whole) = rig.server.whole().await else { return };
    let (_connection, channel) = rig.channel().await;
    let [quorum, stream] = ["quorum", "stream"].map(|kind| (kind, rig.name(kind)));
    for (kind, name) in [&quorum, &stream] {
        declare(&channel, name, &[("x-queue-type", kind)]).await;
        send(&channel, "", name, "transient", BasicProperties::default().with_delivery_mode(1)).await;
    }
    whole.restart();
    let (_connection, channel) = rig.channel().await;
    assert_eq!(take(&channel, &quorum.1).await.map(|delivery| body(&delivery)).as_deref(), Some("transient"));
    let (_connection, mut consumer) = consume_stream(rig, &stream.1).await;
    assert_eq!(body(&next(&mut consumer).await), "transient");
}

pub(super) async fn a_stream_is_away_after_a_restart_and_comes_back(rig: &Rig) {
    let Some(whole) = rig.server.whole().await else { return };
    let (_connection, channel) = rig.channel().await;
    let stream = rig.name("stream");
    declare(&channel, &stream, &[("x-queue-type", "stream")]).await;
    fill(&channel, &stream, &["1"]).await;
    whole.restart();
    let broker = rig.adapter();
    let mut away = 0;
    let following = async {
        loop {
            match broker.lane().await.unwrap().tail(&stream).await {
                Ok(tail) => return tail,
                Err(error) => assert!(error.is_retryable(), "it is not missing: {error}"),
            }
            away += 1;
            tokio::time::sleep(AGAIN).await;
        }
    };
    let tail = timeout(DEADLINE, following).await.expect("the stream is back in time");
    until(|| tail.end() == Some(1)).await;
    // A real broker may be faster than we ask.
    assert!(away > 0 || !matches!(rig.server, Server::Simulated(_)));
}

/// Reads a stream from its start, as soon as that is possible.
async fn consume_stream(rig: &Rig, stream: &str) -> (Connection, Consumer) {
    let from_start = table(&[("x-stream-offset", "first")]);
    let reading = async {
        loop {
            let (connection, channel) = rig.channel().await;
            prefetch(&channel, 10).await;
            let options = BasicConsumeOptions::default();
            match channel.basic_consume(stream.into(), "".into(), options, from_start.clone()).await {
                Ok(consumer) => return (connection, consumer),
                Err(error) => assert!(error.to_string().contains("is down or inaccessible"), "{error}"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    timeout(DEADLINE, reading).await.expect("the stream is back in time")
}
