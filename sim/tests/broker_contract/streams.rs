use lapin::{
    Channel, Consumer,
    options::{BasicAckOptions, BasicConsumeOptions},
};

use ms2m::broker::Broker as _;
use ms2m_app::contract::{CONTRACT_VERSION, Marker};

use crate::rig::{
    Rig, bodies, body, declare, fill, next, open, prefetch, quiet, refused, table, until, within,
};

async fn stream(rig: &Rig, channel: &Channel) -> String {
    let name = rig.name("log");
    declare(channel, &name, &[("x-queue-type", "stream")]).await;
    name
}

async fn read(channel: &Channel, stream: &str) -> lapin::Result<Consumer> {
    let from_start = table(&[("x-stream-offset", "first")]);
    channel.basic_consume(stream.into(), "".into(), BasicConsumeOptions::default(), from_start).await
}

pub(super) async fn a_stream_is_read_from_its_start_again_and_again(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let stream = stream(rig, &channel).await;
    fill(&channel, &stream, &["1", "2", "3"]).await;
    for _ in 0..2 {
        let reader = open(&connection).await;
        prefetch(&reader, 100).await;
        let mut consumer = read(&reader, &stream).await.unwrap();
        for expected in ["1", "2", "3"] {
            let delivery = next(&mut consumer).await;
            assert_eq!(body(&delivery), expected);
            within(delivery.acker.ack(BasicAckOptions::default())).await;
        }
        within(reader.close(200, "read".into())).await;
    }
}

pub(super) async fn reading_a_stream_needs_a_prefetch(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let stream = stream(rig, &channel).await;
    let code = refused(read(&channel, &stream)).await;
    assert!([406, 540].contains(&code), "{code}");
}

pub(super) async fn a_stream_gives_what_comes_later_to_a_reader_that_waits(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let stream = stream(rig, &channel).await;
    let reader = open(&connection).await;
    prefetch(&reader, 10).await;
    let mut consumer = read(&reader, &stream).await.unwrap();
    fill(&channel, &stream, &["late"]).await;
    assert_eq!(body(&next(&mut consumer).await), "late");
}

pub(super) async fn acks_of_a_stream_give_credit_and_remove_nothing(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let stream = stream(rig, &channel).await;
    fill(&channel, &stream, &["1", "2", "3"]).await;
    let reader = open(&connection).await;
    prefetch(&reader, 1).await;
    let mut consumer = read(&reader, &stream).await.unwrap();
    let first = next(&mut consumer).await;
    quiet(&mut consumer).await;
    within(first.acker.ack(BasicAckOptions::default())).await;
    assert_eq!(body(&next(&mut consumer).await), "2");
    let again = open(&connection).await;
    prefetch(&again, 10).await;
    assert_eq!(bodies(&mut read(&again, &stream).await.unwrap(), 3).await, ["1", "2", "3"]);
}

pub(super) async fn the_end_of_a_replay_queue_is_followed(rig: &Rig) {
    let lane = rig.adapter().lane().await.unwrap();
    let replay = rig.name("r");
    lane.mirror(&replay, &[]).await.unwrap();
    let marker = |round| Marker::End {
        version: CONTRACT_VERSION,
        migration: "m".to_owned(),
        epoch: 1,
        session: "s".to_owned(),
        round,
    };
    for round in 1..=3 {
        lane.publish_marker(&replay, &marker(round)).await.unwrap();
    }
    let tail = lane.tail(&replay).await.unwrap();
    until(|| tail.end() == Some(3)).await;
    for round in 4..=400 {
        lane.publish_marker(&replay, &marker(round)).await.unwrap();
    }
    until(|| tail.end() == Some(400)).await;
    assert!(tail.is_open());
    lane.delete_queue(&replay).await.unwrap();
    until(|| !tail.is_open()).await;
}

pub(super) async fn the_end_of_an_empty_replay_queue_is_zero(rig: &Rig) {
    let lane = rig.adapter().lane().await.unwrap();
    let replay = rig.name("r");
    lane.mirror(&replay, &[]).await.unwrap();
    let tail = lane.tail(&replay).await.unwrap();
    assert_eq!(tail.end(), None, "nothing is known yet");
    until(|| tail.end() == Some(0)).await;
    assert!(lane.tail(&rig.name("absent")).await.is_err());
    assert!(lane.is_open());
}
