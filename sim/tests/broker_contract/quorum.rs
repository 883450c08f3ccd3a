use lapin::{
    Channel,
    options::{BasicCancelOptions, BasicNackOptions, BasicQosOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::rig::{
    DURABLE, Rig, bodies, body, consume, drain, fill, int, next, open, prefetch, quiet, refused, string,
    table_of, within,
};

const REQUEUE: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };

fn arguments(more: &[(&str, AMQPValue)]) -> FieldTable {
    let mut arguments = table_of(more);
    arguments.insert("x-queue-type".into(), string("quorum"));
    arguments
}

async fn quorum(rig: &Rig, channel: &Channel, more: &[(&str, AMQPValue)]) -> String {
    rig.queue_with(channel, "quorum", arguments(more)).await
}

pub(super) async fn a_quorum_queue_must_be_durable_and_nobodys_own(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    drop(channel);
    for options in [
        QueueDeclareOptions { durable: false, ..DURABLE },
        QueueDeclareOptions { exclusive: true, ..DURABLE },
        QueueDeclareOptions { auto_delete: true, ..DURABLE },
    ] {
        let (other, name) = (open(&connection).await, rig.name("quorum"));
        assert_eq!(refused(other.queue_declare(name.as_str().into(), options, arguments(&[]))).await, 406);
    }
}

pub(super) async fn a_quorum_queue_does_not_enforce_an_exclusive_consumer(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = quorum(rig, &channel, &[]).await;
    let _owner = consume(&channel, &queue, true).await.unwrap();
    let (_other, theirs) = rig.channel().await;
    assert!(consume(&theirs, &queue, true).await.is_ok());
}

pub(super) async fn a_single_active_consumer_gets_everything_until_it_goes(rig: &Rig) {
    for kind in ["classic", "quorum"] {
        let (connection, channel) = rig.channel().await;
        let arguments = table_of(&[
            ("x-queue-type", string(kind)),
            ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ]);
        let queue = rig.queue_with(&channel, kind, arguments).await;
        let (first, second) = (open(&connection).await, open(&connection).await);
        prefetch(&first, 1).await;
        let mut active = consume(&first, &queue, false).await.unwrap();
        let mut waiting = consume(&second, &queue, false).await.unwrap();
        fill(&channel, &queue, &["1", "2"]).await;
        assert_eq!(body(&next(&mut active).await), "1");
        // It has no room for more, and the other one gets none all the same.
        quiet(&mut waiting).await;
        within(first.close(200, "done".into())).await;
        assert_eq!(bodies(&mut waiting, 2).await, ["1", "2"], "{kind}");
    }
}

pub(super) async fn a_single_active_consumer_of_a_classic_queue_is_not_exclusive(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let arguments = table_of(&[("x-single-active-consumer", AMQPValue::Boolean(true))]);
    let queue = rig.queue_with(&channel, "q", arguments).await;
    let (_other, theirs) = rig.channel().await;
    assert_eq!(refused(consume(&theirs, &queue, true)).await, 403);
    assert!(consume(&channel, &queue, false).await.is_ok());
}

pub(super) async fn a_cancelled_single_active_consumer_hands_over(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let arguments = table_of(&[("x-single-active-consumer", AMQPValue::Boolean(true))]);
    let queue = rig.queue_with(&channel, "q", arguments).await;
    let active = consume(&channel, &queue, false).await.unwrap();
    let other = open(&connection).await;
    let mut waiting = consume(&other, &queue, false).await.unwrap();
    within(channel.basic_cancel(active.tag(), BasicCancelOptions::default())).await;
    fill(&other, &queue, &["1"]).await;
    assert_eq!(body(&next(&mut waiting).await), "1");
}

pub(super) async fn requeued_messages_of_a_quorum_queue_come_before_those_that_wait(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = quorum(rig, &channel, &[]).await;
    fill(&channel, &queue, &["1", "2", "3"]).await;
    let theirs = open(&connection).await;
    prefetch(&theirs, 2).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
    within(theirs.close(200, "done".into())).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    assert_eq!(bodies(&mut consumer, 3).await, ["1", "2", "3"]);
}

fn attempts(headers: Option<&FieldTable>) -> i64 {
    match headers.and_then(|headers| headers.inner().get("x-delivery-count")) {
        Some(AMQPValue::LongLongInt(count)) => *count,
        None => 0,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_quorum_queue_counts_how_often_a_message_came_back(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = quorum(rig, &channel, &[]).await;
    fill(&channel, &queue, &["1"]).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    for expected in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(attempts(delivery.properties.headers().as_ref()), expected);
        assert_eq!(delivery.redelivered, expected > 0);
        within(delivery.acker.nack(REQUEUE)).await;
    }
}

pub(super) async fn a_message_that_came_back_too_often_is_dropped(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = quorum(rig, &channel, &[("x-delivery-limit", int(1))]).await;
    fill(&channel, &queue, &["1", "2"]).await;
    let theirs = open(&connection).await;
    prefetch(&theirs, 1).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    for _ in 0..2 {
        let delivery = next(&mut consumer).await;
        assert_eq!(body(&delivery), "1");
        within(delivery.acker.nack(REQUEUE)).await;
    }
    assert_eq!(body(&next(&mut consumer).await), "2");
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, ["2"]);
}

pub(super) async fn a_quorum_queue_knows_no_prefetch_of_a_whole_channel(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = quorum(rig, &channel, &[]).await;
    within(channel.basic_qos(1, BasicQosOptions { global: true })).await;
    assert_eq!(refused(consume(&channel, &queue, false)).await, 540);
}
