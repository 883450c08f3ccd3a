use futures::StreamExt as _;
use lapin::{
    BasicProperties, Confirmation,
    options::{BasicAckOptions, BasicPublishOptions, ChannelFlowOptions},
};

use crate::rig::{
    Rig, SILENCE, body, consume, drain, fill, next, open, refused, send, sending, until, within,
};

pub(super) async fn a_client_may_not_stop_the_flow_of_deliveries(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    assert!(within(channel.channel_flow(ChannelFlowOptions { active: true })).await);
    assert_eq!(refused(channel.channel_flow(ChannelFlowOptions { active: false })).await, 540);
    until(|| !connection.status().connected()).await;
}

pub(super) async fn a_publish_that_wants_an_immediate_delivery_ends_the_connection(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let options = BasicPublishOptions { immediate: true, ..Default::default() };
    let properties = BasicProperties::default();
    let publish = channel.basic_publish("".into(), queue.as_str().into(), options, b"x", properties);
    assert_eq!(refused(async { publish.await?.await }).await, 540);
    until(|| !connection.status().connected()).await;
}

pub(super) async fn a_publish_under_the_memory_alarm_is_confirmed_after_it(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let mut events = connection.events_listener();
    let Some(whole) = rig.server.whole().await else { return };
    whole.raise_memory_alarm();
    let publish = sending(&channel, "", &queue, "late", BasicProperties::default());
    let mut publish = std::pin::pin!(publish);
    assert!(
        tokio::time::timeout(SILENCE, &mut publish).await.is_err(),
        "it is not confirmed under the alarm"
    );
    let blocked = std::pin::pin!(async {
        loop {
            if let lapin::Event::ConnectionBlocked(reason) = events.next().await.expect("events go on") {
                return reason;
            }
        }
    });
    assert_eq!(within(async { Ok(blocked.await) }).await, "low on memory");
    let (_other, theirs) = rig.channel().await;
    assert_eq!(drain(&theirs, &queue).await, Vec::<String>::new());
    whole.end_memory_alarm();
    assert!(matches!(within(publish).await, Confirmation::Ack(None)));
    until(|| !connection.status().blocked()).await;
    assert_eq!(drain(&channel, &queue).await, ["late"]);
}

pub(super) async fn consumers_go_on_under_the_memory_alarm(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    let (reading, theirs) = rig.channel().await;
    let Some(whole) = rig.server.whole().await else { return };
    whole.raise_memory_alarm();
    crate::rig::prefetch(&theirs, 1).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    within(next(&mut consumer).await.acker.ack(BasicAckOptions::default())).await;
    assert_eq!(body(&next(&mut consumer).await), "2");
    assert!(!reading.status().blocked(), "whoever publishes nothing is not blocked");
    whole.end_memory_alarm();
}

pub(super) async fn a_connection_made_under_the_memory_alarm_is_blocked_by_its_first_publish(rig: &Rig) {
    let Some(whole) = rig.server.whole().await else { return };
    whole.raise_memory_alarm();
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    assert!(!connection.status().blocked());
    let publish = send(&channel, "", &queue, "1", BasicProperties::default());
    let mut publish = std::pin::pin!(publish);
    assert!(tokio::time::timeout(SILENCE, &mut publish).await.is_err());
    until(|| connection.status().blocked()).await;
    whole.end_memory_alarm();
    publish.await;
}

/// The end of a connection that is blocked is not heard, as nothing of it is read: what it had published comes nevertheless.
pub(super) async fn a_publish_whose_sender_has_left_under_the_memory_alarm_arrives_after_it(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let Some(whole) = rig.server.whole().await else { return };
    whole.raise_memory_alarm();
    let (leaving, theirs) = rig.channel().await;
    let publish = sending(&theirs, "", &queue, "1", BasicProperties::default());
    assert!(tokio::time::timeout(SILENCE, publish).await.is_err());
    drop((leaving, theirs));
    whole.end_memory_alarm();
    let other = open(&connection).await;
    assert_eq!(body(&crate::rig::arriving(&other, &queue, 1).await[0]), "1");
}
