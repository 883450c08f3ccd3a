use lapin::{
    BasicProperties,
    options::{
        BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicRecoverOptions, BasicRejectOptions,
        QueueDeleteOptions,
    },
};

use crate::rig::{
    Rig, bodies, body, consume, counts, drain, fill, next, open, prefetch, quiet, take, until, within,
};

const REQUEUE: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };

pub(super) async fn a_requeued_message_comes_before_those_that_wait(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3"]).await;
    let theirs = open(&connection).await;
    prefetch(&theirs, 1).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    let first = next(&mut consumer).await;
    within(first.acker.reject(BasicRejectOptions { requeue: true })).await;
    assert_eq!(body(&next(&mut consumer).await), "1");
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, ["1", "2", "3"]);
}

pub(super) async fn messages_requeued_in_any_order_return_to_their_places(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3", "4"]).await;
    let theirs = open(&connection).await;
    let mut got = Vec::new();
    for _ in 0..3 {
        let options = BasicGetOptions::default();
        got.push(within(theirs.basic_get(queue.as_str().into(), options)).await.unwrap());
    }
    for index in [1, 2, 0] {
        within(got[index].delivery.acker.nack(REQUEUE)).await;
    }
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, ["1", "2", "3", "4"]);
}

pub(super) async fn only_what_was_delivered_before_is_marked_redelivered(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    let theirs = open(&connection).await;
    let got = within(theirs.basic_get(queue.as_str().into(), BasicGetOptions::default())).await.unwrap();
    assert!(!got.delivery.redelivered);
    within(theirs.close(200, "done".into())).await;
    let marks = [take(&channel, &queue).await, take(&channel, &queue).await];
    assert_eq!(marks.map(|delivery| delivery.is_some_and(|delivery| delivery.redelivered)), [true, false]);
}

pub(super) async fn one_ack_of_many_takes_all_before_it(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3"]).await;
    let theirs = open(&connection).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    next(&mut consumer).await;
    let second = next(&mut consumer).await;
    within(second.acker.ack(BasicAckOptions { multiple: true })).await;
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, ["3"]);
}

pub(super) async fn one_nack_of_many_requeues_all_before_it(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3"]).await;
    prefetch(&channel, 3).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    next(&mut consumer).await;
    let second = next(&mut consumer).await;
    next(&mut consumer).await;
    within(second.acker.nack(BasicNackOptions { multiple: true, requeue: true })).await;
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
    quiet(&mut consumer).await;
}

pub(super) async fn a_tag_of_zero_means_everything_so_far(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
    within(channel.basic_nack(0, BasicNackOptions { multiple: true, requeue: true })).await;
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
}

pub(super) async fn what_is_rejected_without_a_requeue_is_gone(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    let theirs = open(&connection).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    within(next(&mut consumer).await.acker.reject(BasicRejectOptions { requeue: false })).await;
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, ["2"]);
}

pub(super) async fn an_unknown_delivery_tag_ends_the_channel(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    within(channel.basic_ack(7, BasicAckOptions::default())).await;
    until(|| !channel.status().connected()).await;
    assert!(connection.status().connected());
}

pub(super) async fn a_delivery_is_acked_once(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    let theirs = open(&connection).await;
    let got = within(theirs.basic_get(queue.as_str().into(), BasicGetOptions::default())).await.unwrap();
    for _ in 0..2 {
        within(theirs.basic_ack(got.delivery.delivery_tag, BasicAckOptions::default())).await;
    }
    until(|| !theirs.status().connected()).await;
    assert_eq!(drain(&channel, &queue).await, ["2"]);
}

pub(super) async fn a_delivery_is_acked_on_its_own_channel_only(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1"]).await;
    let (theirs, other) = (open(&connection).await, open(&connection).await);
    let got = within(theirs.basic_get(queue.as_str().into(), BasicGetOptions::default())).await.unwrap();
    within(other.basic_ack(got.delivery.delivery_tag, BasicAckOptions::default())).await;
    until(|| !other.status().connected()).await;
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, ["1"]);
}

pub(super) async fn an_ack_of_a_message_whose_queue_is_gone_is_taken(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1"]).await;
    let theirs = open(&connection).await;
    let got = within(theirs.basic_get(queue.as_str().into(), BasicGetOptions::default())).await.unwrap();
    within(channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default())).await;
    rig.queue(&channel, "q").await;
    within(got.delivery.acker.nack(REQUEUE)).await;
    // A call that is answered: by then the broker has seen what was said before it.
    assert_eq!(
        counts(&theirs, &queue).await,
        (0, 0),
        "the queue that has the name now never had the message"
    );
}

pub(super) async fn recovering_requeues_what_the_channel_has_not_acked(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
    within(channel.basic_recover(BasicRecoverOptions { requeue: true })).await;
    let again = next(&mut consumer).await;
    assert_eq!((body(&again).as_str(), again.redelivered), ("1", true));
    assert_eq!(body(&next(&mut consumer).await), "2");
}

pub(super) async fn what_needs_no_ack_is_gone_with_its_delivery(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    assert_eq!(take(&channel, &queue).await.map(|delivery| delivery.delivery_tag), Some(1));
    assert_eq!(counts(&channel, &queue).await, (1, 0));
    let transient = crate::rig::send(&channel, "", &queue, "3", BasicProperties::default()).await;
    assert!(matches!(transient, lapin::Confirmation::Ack(None)));
    assert_eq!(drain(&channel, &queue).await, ["2", "3"]);
}
