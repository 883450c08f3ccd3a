//! What an application meets on the wire, over lapin and the simulated broker: malformed messages, stale commands,
//! duplicates, connections that break. Whatever comes, each message is applied once or is a dead letter.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use lapin::{
    BasicProperties, Channel, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use ms2m_app::{
    Consumer, ConsumerConfig, Handler, IdentitySource, Malformed, Message, Output, RamCell,
    contract::{
        Command, CommandBody, HEADER_CONTROL, HEADER_PRODUCER, HEADER_SEQ, MessageId, control_queue,
        dead_letter_queue,
    },
    engine::{Ram, Role},
    io::{Dial as _, OsEntropy},
};
use ms2m_sim::{
    amqp::{SharedBroker, serve_connection},
    determinism,
    network::{SimDial, serve, sim_builder},
};

const URL: &str = "amqp://guest:guest@rabbitmq:5672/%2f?heartbeat=5";
const EXCHANGE: &str = "shop";
const KEY: &str = "orders.new";
const QUEUE: &str = "orders";
const POD: &str = "pod-1";
/// Virtual time within which everything must have happened.
const PATIENCE: Duration = Duration::from_secs(30);

/// Numbers from here on are told to [`AUDIT`].
const LARGE: u64 = 1_000;
const AUDIT: &str = "audit";

/// Keeps what it applied, in order; understands numbers only.
struct Numbers;

impl Handler for Numbers {
    type State = Vec<u64>;

    fn apply(&self, state: &mut Vec<u64>, message: &Message) -> Result<Option<Output>, Malformed> {
        let text = std::str::from_utf8(&message.body).map_err(|error| Malformed(error.to_string()))?;
        let number = text.parse().map_err(|_| Malformed(format!("{text:?} is no number")))?;
        state.push(number);
        Ok((number >= LARGE).then(|| Output {
            exchange: AUDIT.to_owned(),
            routing_key: "large".to_owned(),
            body: message.body.clone(),
        }))
    }

    fn cost(&self, _: &Message) -> Duration {
        Duration::from_millis(5)
    }
}

struct Pod;

#[async_trait]
impl IdentitySource for Pod {
    async fn pod_uid(&self) -> io::Result<String> {
        Ok(POD.to_owned())
    }
}

/// What a test looks at.
#[derive(Clone)]
struct World {
    broker: SharedBroker,
    ram: RamCell<Vec<u64>>,
}

impl World {
    fn ready(&self, queue: &str) -> usize {
        self.broker.queues().iter().filter(|known| known.name == queue).map(|known| known.ready).sum()
    }

    /// Waits until it is so; what stands instead, when it never is.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let ram = self.ram.snapshot();
        assert!(
            waited.await.is_ok(),
            "{what}: {:?} {:?} {:?}",
            ram.state(),
            ram.stats(),
            self.broker.queues()
        );
    }

    async fn until_it_consumes(&self) {
        self.until("the consumer is granted the queue", |world| world.ram.look(Ram::consumes_primary)).await;
    }

    async fn until_applied(&self, numbers: &[u64]) {
        self.until(&format!("{numbers:?} are applied"), |world| {
            world.ram.look(|ram| *ram.state() == numbers)
        })
        .await;
        self.until("nothing waits in the queue", |world| {
            world.broker.queues().iter().all(|queue| queue.name != QUEUE || queue.ready + queue.unacked == 0)
        })
        .await;
    }
}

/// Runs `user` beside a broker and a consumer.
fn beside_a_consumer<F: Future<Output = turmoil::Result> + 'static>(
    user: impl FnOnce(World, Channel) -> F + Send + 'static,
) {
    determinism::run(1, move || {
        let world = World { broker: SharedBroker::default(), ram: RamCell::fresh(None) };
        world.broker.provide(EXCHANGE, "topic", QUEUE, "orders.*");
        let mut sim = sim_builder(1).build();
        let broker = world.broker.clone();
        sim.host("rabbitmq", move || {
            let broker = broker.clone();
            serve(5672, move |stream| serve_connection(broker.clone(), stream))
        });
        let ram = world.ram.clone();
        sim.host("counter", move || {
            let ram = ram.clone();
            async move {
                let config = ConsumerConfig { uri: URL.parse()?, queue: QUEUE.to_owned(), prefetch: 4 };
                let (dial, identity) = (Arc::new(SimDial), Arc::new(Pod));
                let end =
                    Consumer::new(config, Numbers, ram, dial, identity, Arc::new(OsEntropy)).run().await;
                Err(end.into())
            }
        });
        sim.client("user", async move {
            world.until_it_consumes().await;
            let connection = SimDial.connect_amqp(URL.parse()?, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            user(world, channel).await
        });
        sim.run().unwrap();
    });
}

async fn publish(channel: &Channel, exchange: &str, key: &str, headers: FieldTable, body: &[u8]) {
    let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
    let options = BasicPublishOptions::default();
    let confirm =
        channel.basic_publish(exchange.into(), key.into(), options, body, properties).await.unwrap();
    assert!(confirm.await.unwrap().is_ack());
}

fn headers<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    FieldTable::from(BTreeMap::from(entries.map(|(name, value)| (name.into(), value))))
}

/// Publishes message `seq` of producer `p`.
async fn number(channel: &Channel, seq: i64, body: &str) {
    let identity = headers([
        (HEADER_PRODUCER, AMQPValue::LongString("p".into())),
        (HEADER_SEQ, AMQPValue::LongLongInt(seq)),
    ]);
    publish(channel, EXCHANGE, KEY, identity, body.as_bytes()).await;
}

async fn command(channel: &Channel, epoch: u64, body: CommandBody) {
    let command = Command { version: 1, migration: "m".to_owned(), epoch, body };
    let json = serde_json::to_vec(&command).unwrap();
    publish(channel, "", &control_queue(POD), FieldTable::default(), &json).await;
}

#[test]
fn a_message_that_cannot_be_parsed_is_a_dead_letter_and_blocks_nobody() {
    beside_a_consumer(async |world, channel| {
        number(&channel, 1, "1").await;
        number(&channel, 2, "two").await;
        publish(&channel, EXCHANGE, KEY, FieldTable::default(), b"3").await;
        let zero = headers([
            (HEADER_PRODUCER, AMQPValue::LongString("p".into())),
            (HEADER_SEQ, AMQPValue::LongLongInt(0)),
        ]);
        publish(&channel, EXCHANGE, KEY, zero, b"4").await;
        let half = headers([(HEADER_SEQ, AMQPValue::LongLongInt(3))]);
        publish(&channel, EXCHANGE, KEY, half, b"5").await;
        number(&channel, 3, "6").await;

        world.until_applied(&[1, 6]).await;
        assert_eq!(world.ready(&dead_letter_queue(QUEUE)), 4);
        let stats = world.ram.snapshot().stats();
        assert_eq!((stats.applied, stats.dead_lettered), (2, 4), "{stats:?}");
        assert!(
            world.ram.look(|ram| ram.ledger().contains(&MessageId { producer: "p".into(), seq: 2 })),
            "a dead letter is done with, too"
        );
        Ok(())
    });
}

#[test]
fn a_control_message_that_cannot_be_parsed_is_counted_and_nothing_else() {
    beside_a_consumer(async |world, channel| {
        for junk in
            ["", "{", r#"{"type":"STOP"}"#, r#"{"version":1,"migration":"m","epoch":1,"type":"EXPLODE"}"#]
        {
            publish(&channel, "", &control_queue(POD), FieldTable::default(), junk.as_bytes()).await;
        }
        let marker = headers([(HEADER_CONTROL, AMQPValue::LongInt(1))]);
        publish(&channel, EXCHANGE, KEY, marker, b"no marker").await;
        number(&channel, 1, "1").await;

        world.until_applied(&[1]).await;
        world.until("all are counted", |world| world.ram.snapshot().stats().malformed_commands == 5).await;
        assert_eq!(world.ready(&control_queue(POD)), 0);
        assert_eq!(world.ram.snapshot().role(), Role::Owner);
        Ok(())
    });
}

#[test]
fn a_command_of_an_older_epoch_is_counted_and_nothing_else() {
    beside_a_consumer(async |world, channel| {
        command(&channel, 7, CommandBody::Stop).await;
        world.until("it has stopped", |world| world.ram.look(|ram| !ram.consumes_primary())).await;
        number(&channel, 1, "1").await;
        command(&channel, 6, CommandBody::Resume).await;
        world
            .until("the old RESUME is counted", |world| world.ram.snapshot().stats().stale_commands == 1)
            .await;
        assert_eq!(world.ram.snapshot().role(), Role::Stopped);

        command(&channel, 7, CommandBody::Resume).await;
        world.until_applied(&[1]).await;
        // A duplicate that the network held back: within an epoch RESUME is the last word.
        command(&channel, 7, CommandBody::Stop).await;
        world
            .until("the late STOP is counted", |world| world.ram.snapshot().stats().stale_commands == 2)
            .await;
        number(&channel, 2, "2").await;
        world.until_applied(&[1, 2]).await;
        Ok(())
    });
}

#[test]
fn a_message_that_comes_twice_is_applied_once() {
    beside_a_consumer(async |world, channel| {
        for (seq, body) in [(1, "1"), (2, "2"), (2, "2"), (1, "1"), (3, "3")] {
            number(&channel, seq, body).await;
        }
        world.until_applied(&[1, 2, 3]).await;
        let stats = world.ram.snapshot().stats();
        assert_eq!((stats.applied, stats.skipped), (3, 2), "{stats:?}");
        Ok(())
    });
}

#[test]
fn a_connection_that_breaks_costs_no_message_and_no_order() {
    beside_a_consumer(async |world, channel| {
        for seq in 1..=60_i64 {
            number(&channel, seq, &seq.to_string()).await;
            if seq % 20 == 0 {
                world.until_it_consumes().await;
                world.broker.drop_connections(POD);
            }
        }
        world.until_applied(&(1..=60).collect::<Vec<_>>()).await;
        let stats = world.ram.snapshot().stats();
        assert_eq!(stats.connections, 4, "three of them broke: {stats:?}");
        Ok(())
    });
}

/// Whoever connects again gives back what was delivered ahead, and a broker counts how often.
#[test]
fn an_output_whose_exchange_is_missing_waits_for_it_on_the_same_connection() {
    beside_a_consumer(async |world, channel| {
        number(&channel, 1, &LARGE.to_string()).await;
        number(&channel, 2, "2").await;
        world.until("the first is applied", |world| world.ram.look(|ram| *ram.state() == [LARGE])).await;
        // It is published again four times a second.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(*world.ram.snapshot().state(), [LARGE], "its output is not confirmed");
        world.broker.provide(AUDIT, "topic", "audited", "#");
        world.until_applied(&[LARGE, 2]).await;
        assert_eq!(world.ready("audited"), 1);
        assert_eq!(world.ram.snapshot().stats().connections, 1);
        Ok(())
    });
}

/// Of another kind than the service would declare: that is the declarer's business.
#[test]
fn a_dead_letter_queue_that_is_there_is_taken_as_it_is() {
    beside_a_consumer(async |world, channel| {
        let of_another_kind = headers([("x-queue-type", AMQPValue::LongString("quorum".into()))]);
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let queue = dead_letter_queue(QUEUE);
        channel.queue_declare(queue.as_str().into(), options, of_another_kind).await?;
        number(&channel, 1, "one").await;
        number(&channel, 2, "2").await;
        world.until_applied(&[2]).await;
        assert_eq!(world.ready(&queue), 1);
        assert_eq!(world.ram.snapshot().stats().connections, 1);
        Ok(())
    });
}
