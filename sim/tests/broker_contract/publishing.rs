use lapin::{
    Confirmation,
    options::BasicGetOptions,
    types::{AMQPValue, FieldTable},
};

use crate::rig::{Rig, bodies, consume, fill, open, publish, table, within};

pub(super) async fn a_confirm_comes_after_the_message_is_in_its_queue(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["one"]).await;
    let other = open(&connection).await;
    let got = within(other.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true })).await;
    assert_eq!(got.map(|got| got.delivery.data), Some(b"one".to_vec()));
}

pub(super) async fn a_mandatory_message_without_a_queue_is_returned_and_confirmed(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let confirmation = publish(&channel, "", &rig.name("nobody"), "lost", FieldTable::default()).await;
    let Confirmation::Ack(Some(returned)) = confirmation else { panic!("{confirmation:?}") };
    assert_eq!((returned.reply_code, returned.delivery.data.as_slice()), (312, b"lost".as_slice()));
}

pub(super) async fn an_exchange_that_is_not_there_ends_the_channel(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let absent = rig.name("absent");
    let publish = channel.basic_publish(
        absent.as_str().into(),
        "key".into(),
        Default::default(),
        b"x",
        Default::default(),
    );
    assert!(async { publish.await?.await }.await.is_err());
    assert!(!channel.status().connected() && connection.status().connected());
}

pub(super) async fn messages_of_one_channel_keep_their_order(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let sent: Vec<String> = (0..50).map(|index| index.to_string()).collect();
    fill(&channel, &queue, &sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    assert_eq!(bodies(&mut consumer, 50).await, sent);
}

pub(super) async fn headers_and_persistence_survive_the_way_through(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let mut headers = table(&[("x-ms2m-producer", "p")]);
    headers.insert("x-ms2m-seq".into(), AMQPValue::LongLongInt(7));
    publish(&channel, "", &queue, "one", headers.clone()).await;
    let got =
        within(channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true })).await.unwrap();
    assert_eq!(got.delivery.properties.delivery_mode(), &Some(2));
    assert_eq!(got.delivery.properties.headers().as_ref(), Some(&headers));
}
