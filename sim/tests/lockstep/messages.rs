//! Producers and consumers: what is confirmed arrives, and the run is a function of the seed.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt as _;
use lapin::{BasicProperties, options::*, types::FieldTable};
use ms2m_sim::{
    determinism::{run, take_trace},
    network::{Delivery, bounce, crash},
    trace,
};

use crate::world::{assert_same, connect, with_server};

/// Publishes `count` numbered messages of random size, some larger than a frame, with a few confirms outstanding.
async fn produce(count: u32) -> turmoil::Result {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let publishes = futures::stream::iter(0..count).map(async |number| {
        let mut body = format!("{number} ").into_bytes();
        body.resize(fastrand::usize(8..20_000), b'.');
        let options = BasicPublishOptions::default();
        let confirm =
            channel.basic_publish("".into(), "queue".into(), options, &body, BasicProperties::default());
        let confirm = confirm.await?.await?;
        trace!("producer", "message {number} confirmed: {}", confirm.is_ack());
        lapin::Result::Ok(())
    });
    let results: Vec<_> = publishes.buffered(8).collect().await;
    results.into_iter().collect::<Result<(), _>>()?;
    connection.close(200, "bye".into()).await?;
    Ok(())
}

async fn consume(name: &'static str) -> turmoil::Result {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let options = BasicConsumeOptions::default();
    let mut messages =
        channel.basic_consume("queue".into(), name.into(), options, FieldTable::default()).await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..3))).await;
        let number = String::from_utf8_lossy(&message.data).split(' ').next().map(str::to_owned);
        let redelivered = if message.redelivered { " again" } else { "" };
        trace!(name, "got {} of {} bytes{redelivered}", number.unwrap_or_default(), message.data.len());
        message.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

const MESSAGES: u32 = 150;

/// Two consumers, one of which crashes in the middle and comes back.
fn trace_of(seed: u64) -> Vec<String> {
    run(seed, move || {
        Delivery::Fragmented.select();
        let mut sim = with_server(seed);
        sim.host("steady", || consume("steady"));
        sim.host("shaky", || consume("shaky"));
        sim.client("producer", produce(MESSAGES));
        let run_for = |sim: &mut turmoil::Sim<'_>, millis| {
            let until = sim.elapsed() + Duration::from_millis(millis);
            while sim.elapsed() < until {
                sim.step().unwrap();
            }
        };
        run_for(&mut sim, fastrand::u64(60..400));
        crash(&mut sim, "shaky");
        run_for(&mut sim, fastrand::u64(5..200));
        bounce(&mut sim, "shaky");
        sim.run().unwrap();
        run_for(&mut sim, 3000);
        take_trace()
    })
}

#[test]
fn messages_arrive_and_the_same_seed_gives_the_same_trace() {
    let mut redelivered = 0;
    for seed in 0..20 {
        let trace = trace_of(seed);
        let mut times = BTreeMap::<&str, u32>::new();
        for line in &trace {
            if let Some((_, got)) = line.split_once(" got ") {
                *times.entry(got.split(' ').next().unwrap()).or_default() += 1;
                redelivered += u32::from(got.ends_with("again"));
            }
        }
        assert_eq!(times.len(), MESSAGES as usize, "seed {seed}: every message arrives");
        assert_same(seed, &trace, &trace_of(seed));
    }
    assert!(redelivered > 0, "some crash met unacknowledged messages");
}
