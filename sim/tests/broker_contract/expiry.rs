use std::time::Duration;

use lapin::{
    BasicProperties, Channel,
    options::{BasicGetOptions, BasicNackOptions},
    types::FieldTable,
};

use crate::rig::{
    Rig, body, consume, counts, drain, fill, int, next, open, refused, send, sending, table_of, within,
};

fn expiring(after: &str) -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2).with_expiration(after.into())
}

/// Waits until as many messages are left as expected: what has expired goes at a time of the broker's own choice.
async fn dwindles_to(channel: &Channel, queue: &str, expected: u32) {
    let dwindles = async {
        while counts(channel, queue).await.0 > expected {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), dwindles).await.expect("they expire");
    assert_eq!(counts(channel, queue).await.0, expected);
}

pub(super) async fn a_message_goes_when_the_queues_time_is_over(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue_with(&channel, "q", table_of(&[("x-message-ttl", int(500))])).await;
    fill(&channel, &queue, &["1", "2"]).await;
    assert_eq!(counts(&channel, &queue).await.0, 2);
    dwindles_to(&channel, &queue, 0).await;
}

pub(super) async fn a_message_goes_when_its_own_time_is_over(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    send(&channel, "", &queue, "1", expiring("100")).await;
    fill(&channel, &queue, &["2"]).await;
    dwindles_to(&channel, &queue, 1).await;
    assert_eq!(drain(&channel, &queue).await, ["2"]);
}

pub(super) async fn the_shorter_time_counts(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue_with(&channel, "q", table_of(&[("x-message-ttl", int(100))])).await;
    send(&channel, "", &queue, "1", expiring("60000")).await;
    dwindles_to(&channel, &queue, 0).await;
}

pub(super) async fn a_message_behind_one_that_stays_goes_when_it_is_first(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["stays"]).await;
    send(&channel, "", &queue, "goes", expiring("50")).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(counts(&channel, &queue).await.0, 2, "it still counts");
    assert_eq!(drain(&channel, &queue).await, ["stays"], "it is delivered to nobody");
}

pub(super) async fn a_time_of_zero_means_now_or_never(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue_with(&channel, "q", table_of(&[("x-message-ttl", int(0))])).await;
    fill(&channel, &queue, &["never"]).await;
    assert_eq!(drain(&channel, &queue).await, Vec::<String>::new());
    let theirs = open(&connection).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    fill(&channel, &queue, &["now"]).await;
    assert_eq!(body(&next(&mut consumer).await), "now");
}

pub(super) async fn what_is_unacked_does_not_expire_and_keeps_its_time(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue_with(&channel, "q", table_of(&[("x-message-ttl", int(200))])).await;
    fill(&channel, &queue, &["1"]).await;
    let theirs = open(&connection).await;
    let got = within(theirs.basic_get(queue.as_str().into(), BasicGetOptions::default())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Its time was over while it was held; as soon as it is back, it goes.
    within(got.delivery.acker.nack(BasicNackOptions { multiple: false, requeue: true })).await;
    dwindles_to(&channel, &queue, 0).await;
    assert!(theirs.status().connected());
}

pub(super) async fn an_expiration_that_is_no_number_ends_the_channel(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let other = open(&connection).await;
    assert_eq!(refused(sending(&other, "", &queue, "1", expiring("soon"))).await, 406);
    assert_eq!(drain(&channel, &queue).await, Vec::<String>::new());
}

pub(super) async fn messages_of_a_quorum_queue_expire_too(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let arguments = table_of(&[("x-message-ttl", int(100)), ("x-queue-type", crate::rig::string("quorum"))]);
    let queue = rig.queue_with(&channel, "q", arguments).await;
    fill(&channel, &queue, &["1"]).await;
    dwindles_to(&channel, &queue, 0).await;
    let none = FieldTable::default();
    assert!(matches!(
        crate::rig::publish(&channel, "", &queue, "2", none).await,
        lapin::Confirmation::Ack(None)
    ));
}
