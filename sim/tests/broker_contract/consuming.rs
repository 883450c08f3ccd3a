use futures::StreamExt as _;
use lapin::{
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::FieldTable,
};

use crate::rig::{
    Rig, bodies, body, consume, counts, declare, drain, fill, next, open, prefetch, quiet, refused, table,
    until, within,
};

pub(super) async fn unacked_messages_return_in_their_place_when_the_connection_goes(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3", "4"]).await;
    let (lost, theirs) = rig.channel().await;
    prefetch(&theirs, 3).await;
    let mut consumer = consume(&theirs, &queue, true).await.unwrap();
    let first = next(&mut consumer).await;
    within(first.acker.ack(BasicAckOptions::default())).await;
    assert_eq!(bodies(&mut consumer, 2).await, ["2", "3"]);
    within(lost.close(200, "gone".into())).await;
    let mut consumer = consume(&channel, &queue, true).await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!((body(&again).as_str(), again.redelivered), ("2", true));
    assert_eq!(bodies(&mut consumer, 2).await, ["3", "4"]);
}

pub(super) async fn unacked_messages_return_when_the_channel_closes(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    let theirs = open(&connection).await;
    let mut consumer = consume(&theirs, &queue, true).await.unwrap();
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
    within(theirs.close(200, "stopped".into())).await;
    let mut consumer = consume(&channel, &queue, true).await.unwrap();
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
}

pub(super) async fn a_second_consumer_of_an_exclusive_one_is_refused(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let _owner = consume(&channel, &queue, true).await.unwrap();
    for exclusive in [true, false] {
        let (other, theirs) = rig.channel().await;
        assert_eq!(refused(consume(&theirs, &queue, exclusive)).await, 403);
        assert!(other.status().connected());
    }
}

pub(super) async fn an_exclusive_consumer_is_refused_beside_another(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let _first = consume(&channel, &queue, false).await.unwrap();
    let (_other, theirs) = rig.channel().await;
    assert_eq!(refused(consume(&theirs, &queue, true)).await, 403);
}

pub(super) async fn the_slot_is_free_when_the_exclusive_consumers_channel_is_closed(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let owner = open(&connection).await;
    let _consumer = consume(&owner, &queue, true).await.unwrap();
    within(owner.close(200, "stopped".into())).await;
    assert!(consume(&channel, &queue, true).await.is_ok());
}

pub(super) async fn prefetch_bounds_what_is_unacked(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3"]).await;
    prefetch(&channel, 2).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
    quiet(&mut consumer).await;
}

pub(super) async fn an_ack_makes_room_for_the_next(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    prefetch(&channel, 1).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    let first = next(&mut consumer).await;
    quiet(&mut consumer).await;
    within(first.acker.ack(BasicAckOptions::default())).await;
    assert_eq!(body(&next(&mut consumer).await), "2");
}

pub(super) async fn deleting_a_queue_cancels_its_consumer(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let (_other, theirs) = rig.channel().await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    within(channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default())).await;
    assert!(consumer.next().await.is_none_or(|delivery| delivery.is_err()));
    assert!(theirs.status().connected());
}

pub(super) async fn asking_for_a_queue_that_is_not_there_ends_the_channel_only(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let absent = rig.name("absent");
    let asked = channel.queue_declare(absent.as_str().into(), passive, FieldTable::default());
    assert_eq!(refused(asked).await, 404);
    assert!(!channel.status().connected() && connection.status().connected());
}

pub(super) async fn declaring_again_with_other_arguments_is_refused(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    declare(&channel, &queue, &[]).await;
    let other = open(&connection).await;
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    let arguments = table(&[("x-queue-type", "stream")]);
    assert_eq!(refused(other.queue_declare(queue.as_str().into(), options, arguments)).await, 406);
}

pub(super) async fn a_changed_prefetch_counts_for_later_consumers(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    prefetch(&channel, 1).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    prefetch(&channel, 2).await;
    fill(&channel, &queue, &["1", "2", "3", "4"]).await;
    assert_eq!(body(&next(&mut consumer).await), "1");
    quiet(&mut consumer).await;
    let mut later = consume(&channel, &queue, false).await.unwrap();
    assert_eq!(bodies(&mut later, 2).await, ["2", "3"]);
    quiet(&mut later).await;
}

pub(super) async fn a_prefetch_of_the_channel_bounds_its_consumers_together(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3", "4"]).await;
    within(channel.basic_qos(2, BasicQosOptions { global: true })).await;
    let mut first = consume(&channel, &queue, false).await.unwrap();
    assert_eq!(bodies(&mut first, 2).await, ["1", "2"]);
    let mut second = consume(&channel, &queue, false).await.unwrap();
    quiet(&mut second).await;
    within(channel.basic_ack(2, BasicAckOptions { multiple: true })).await;
    until_ready(&channel, &queue, 0).await;
}

/// Waits until so many messages are ready.
async fn until_ready(channel: &lapin::Channel, queue: &str, expected: u32) {
    let dwindles = async {
        while counts(channel, queue).await.0 != expected {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), dwindles).await.expect("it comes to that");
}

pub(super) async fn consumers_of_a_queue_take_turns(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let (one, other) = (open(&connection).await, open(&connection).await);
    let mut first = consume(&one, &queue, false).await.unwrap();
    let mut second = consume(&other, &queue, false).await.unwrap();
    fill(&channel, &queue, &["1", "2", "3", "4"]).await;
    assert_eq!(bodies(&mut first, 2).await, ["1", "3"]);
    assert_eq!(bodies(&mut second, 2).await, ["2", "4"]);
}

pub(super) async fn a_cancelled_consumer_gets_no_more_and_its_channel_keeps_what_it_got(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    let theirs = open(&connection).await;
    prefetch(&theirs, 1).await;
    let mut consumer = consume(&theirs, &queue, true).await.unwrap();
    let first = next(&mut consumer).await;
    within(theirs.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await;
    assert_eq!(drain(&channel, &queue).await, ["2"]);
    within(first.acker.ack(BasicAckOptions::default())).await;
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, Vec::<String>::new());
}

pub(super) async fn cancelling_a_consumer_that_is_not_there_is_done(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    within(channel.basic_cancel("nobody".into(), BasicCancelOptions::default())).await;
    assert!(channel.status().connected());
}

pub(super) async fn a_consumer_tag_used_twice_ends_the_connection(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let consuming = || {
        let options = BasicConsumeOptions::default();
        channel.basic_consume(queue.as_str().into(), "mine".into(), options, FieldTable::default())
    };
    let _consumer = within(consuming()).await;
    assert_eq!(refused(consuming()).await, 530);
    until(|| !connection.status().connected()).await;
}

pub(super) async fn consuming_what_is_not_there_ends_the_channel_only(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    assert_eq!(refused(consume(&channel, &rig.name("absent"), false)).await, 404);
    assert!(connection.status().connected());
}

pub(super) async fn a_stream_cannot_be_got_from(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let stream = rig.name("log");
    declare(&channel, &stream, &[("x-queue-type", "stream")]).await;
    let other = open(&connection).await;
    let got = other.basic_get(stream.as_str().into(), lapin::options::BasicGetOptions::default());
    assert_eq!(refused(got).await, 540);
}

pub(super) async fn a_connection_exception_returns_what_all_its_channels_had_not_acked(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1"]).await;
    let (failing, theirs) = rig.channel().await;
    let mut consumer = consume(&theirs, &queue, true).await.unwrap();
    next(&mut consumer).await;
    let other = open(&failing).await;
    assert_eq!(refused(other.channel_flow(lapin::options::ChannelFlowOptions { active: false })).await, 540);
    let mut consumer = consume(&channel, &queue, true).await.unwrap();
    assert!(next(&mut consumer).await.redelivered);
}
