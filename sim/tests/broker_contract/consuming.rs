use futures::StreamExt as _;
use lapin::{
    options::{BasicAckOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

use crate::rig::{
    Rig, bodies, body, consume, declare, fill, next, open, prefetch, quiet, refused, table, within,
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
