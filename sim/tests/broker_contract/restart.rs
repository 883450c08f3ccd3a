use lapin::{
    BasicProperties, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};

use crate::rig::{
    DURABLE, Rig, bind, bodies, body, consume, declare, drain, fill, next, open, prefetch, publish, refused,
    send, table, take, within,
};

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
    crate::rig::until(|| !connection.status().connected()).await;

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
    prefetch(&channel, 10).await;
    let from_start = table(&[("x-stream-offset", "first")]);
    let name = stream.1.as_str().into();
    let mut consumer = within(channel.basic_consume(name, "".into(), Default::default(), from_start)).await;
    assert_eq!(body(&next(&mut consumer).await), "transient");
}
