use lapin::{
    BasicProperties, Channel, ExchangeKind,
    message::Delivery,
    options::{BasicNackOptions, BasicRejectOptions},
    types::{AMQPValue, FieldTable},
};

use crate::rig::{
    Rig, arriving, bind, body, consume, counts, drain, fill, int, next, open, publish, quiet, send, string,
    table_of, take, within,
};

const DROP: BasicRejectOptions = BasicRejectOptions { requeue: false };

/// A queue whose dead letters go to another one, by a fanout exchange.
struct Grave {
    queue: String,
    dead: String,
    exchange: String,
}

impl Grave {
    async fn of(rig: &Rig, channel: &Channel, more: &[(&str, AMQPValue)]) -> Self {
        let none = FieldTable::default();
        let exchange = rig.exchange_with(channel, "dlx", ExchangeKind::Fanout, none.clone()).await;
        let dead = rig.queue(channel, "dead").await;
        bind(channel, &dead, &exchange, "", none).await;
        let mut arguments = table_of(more);
        arguments.insert("x-dead-letter-exchange".into(), string(&exchange));
        let queue = rig.queue_with(channel, "q", arguments).await;
        Self { queue, dead, exchange }
    }

    /// The dead letter that comes next.
    async fn letter(&self, channel: &Channel) -> Delivery {
        arriving(channel, &self.dead, 1).await.remove(0)
    }
}

fn headers(delivery: &Delivery) -> FieldTable {
    delivery.properties.headers().clone().unwrap_or_default()
}

fn text(table: &FieldTable, key: &str) -> String {
    match table.inner().get(key) {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        other => panic!("{key}: {other:?}"),
    }
}

/// The deaths that a message has died, the last one first.
fn deaths(delivery: &Delivery) -> Vec<FieldTable> {
    let Some(AMQPValue::FieldArray(deaths)) = headers(delivery).inner().get("x-death").cloned() else {
        panic!("{delivery:?}")
    };
    let table = |death: &AMQPValue| match death {
        AMQPValue::FieldTable(death) => death.clone(),
        other => panic!("{other:?}"),
    };
    deaths.as_slice().iter().map(table).collect()
}

fn reasons(delivery: &Delivery) -> Vec<String> {
    deaths(delivery).iter().map(|death| text(death, "reason")).collect()
}

pub(super) async fn a_rejected_message_becomes_a_dead_letter(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let grave = Grave::of(rig, &channel, &[]).await;
    fill(&channel, &grave.queue, &["1"]).await;
    let mut consumer = consume(&channel, &grave.queue, false).await.unwrap();
    within(next(&mut consumer).await.acker.reject(DROP)).await;
    let letter = grave.letter(&channel).await;
    assert_eq!(body(&letter), "1");
    assert_eq!(
        (letter.exchange.as_str(), letter.routing_key.as_str()),
        (grave.exchange.as_str(), grave.queue.as_str())
    );
    assert!(!letter.redelivered);
}

pub(super) async fn a_dead_letter_says_where_and_why_it_died(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let grave = Grave::of(rig, &channel, &[]).await;
    let exchange = rig.exchange_with(&channel, "work", ExchangeKind::Direct, FieldTable::default()).await;
    bind(&channel, &grave.queue, &exchange, "key", FieldTable::default()).await;
    publish(&channel, &exchange, "key", "1", table_of(&[("mine", string("kept"))])).await;
    let mut consumer = consume(&channel, &grave.queue, false).await.unwrap();
    within(next(&mut consumer).await.acker.reject(DROP)).await;
    let letter = grave.letter(&channel).await;
    let of_letter = headers(&letter);
    assert_eq!(text(&of_letter, "mine"), "kept");
    let first = ["x-first-death-reason", "x-first-death-queue", "x-first-death-exchange"];
    assert_eq!(
        first.map(|name| text(&of_letter, name)),
        ["rejected".to_owned(), grave.queue.clone(), exchange.clone()]
    );
    let [death] = <[_; 1]>::try_from(deaths(&letter)).unwrap();
    assert_eq!(
        ["reason", "queue", "exchange"].map(|name| text(&death, name)),
        ["rejected".to_owned(), grave.queue.clone(), exchange]
    );
    assert_eq!(death.inner().get("count"), Some(&AMQPValue::LongLongInt(1)));
    assert!(matches!(death.inner().get("time"), Some(AMQPValue::Timestamp(_))), "{death:?}");
    let Some(AMQPValue::FieldArray(keys)) = death.inner().get("routing-keys") else { panic!("{death:?}") };
    assert_eq!(keys.as_slice(), [string("key")]);
}

pub(super) async fn a_requeued_message_is_no_dead_letter(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let grave = Grave::of(rig, &channel, &[]).await;
    fill(&channel, &grave.queue, &["1"]).await;
    let mut consumer = consume(&channel, &grave.queue, false).await.unwrap();
    within(next(&mut consumer).await.acker.reject(BasicRejectOptions { requeue: true })).await;
    assert_eq!(body(&next(&mut consumer).await), "1");
    assert_eq!(drain(&channel, &grave.dead).await, Vec::<String>::new());
}

pub(super) async fn dead_letters_keep_their_order(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let grave = Grave::of(rig, &channel, &[]).await;
    fill(&channel, &grave.queue, &["1", "2", "3"]).await;
    let mut consumer = consume(&channel, &grave.queue, false).await.unwrap();
    next(&mut consumer).await;
    next(&mut consumer).await;
    let third = next(&mut consumer).await;
    within(third.acker.nack(BasicNackOptions { multiple: true, requeue: false })).await;
    let letters = arriving(&channel, &grave.dead, 3).await;
    assert_eq!(letters.iter().map(body).collect::<Vec<_>>(), ["1", "2", "3"]);
}

pub(super) async fn an_expired_message_becomes_a_dead_letter(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let grave = Grave::of(rig, &channel, &[("x-message-ttl", int(100))]).await;
    fill(&channel, &grave.queue, &["1"]).await;
    let letter = grave.letter(&channel).await;
    assert_eq!((body(&letter), reasons(&letter)), ("1".to_owned(), vec!["expired".to_owned()]));
}

pub(super) async fn a_dead_letter_has_lost_its_own_expiration(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let grave = Grave::of(rig, &channel, &[]).await;
    send(&channel, "", &grave.queue, "1", BasicProperties::default().with_expiration("100".into())).await;
    let letter = grave.letter(&channel).await;
    assert_eq!(letter.properties.expiration(), &None);
    assert_eq!(text(&deaths(&letter)[0], "original-expiration"), "100");
}

pub(super) async fn a_message_that_a_full_queue_drops_becomes_a_dead_letter(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let grave = Grave::of(rig, &channel, &[("x-max-length", int(1))]).await;
    fill(&channel, &grave.queue, &["1", "2"]).await;
    let letter = grave.letter(&channel).await;
    assert_eq!((body(&letter), reasons(&letter)), ("1".to_owned(), vec!["maxlen".to_owned()]));
    assert_eq!(drain(&channel, &grave.queue).await, ["2"]);
}

pub(super) async fn a_message_that_came_back_too_often_becomes_a_dead_letter(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let quorum = [("x-queue-type", string("quorum")), ("x-delivery-limit", int(0))];
    let grave = Grave::of(rig, &channel, &quorum).await;
    fill(&channel, &grave.queue, &["1"]).await;
    let mut consumer = consume(&channel, &grave.queue, false).await.unwrap();
    within(next(&mut consumer).await.acker.reject(BasicRejectOptions { requeue: true })).await;
    let letter = grave.letter(&channel).await;
    assert_eq!((body(&letter), reasons(&letter)), ("1".to_owned(), vec!["delivery_limit".to_owned()]));
}

pub(super) async fn dead_letters_go_by_the_queues_own_key_where_it_has_one(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let dead = rig.queue(&channel, "dead").await;
    // The default exchange: straight into the queue of that name.
    let arguments =
        table_of(&[("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string(&dead))]);
    let queue = rig.queue_with(&channel, "q", arguments).await;
    fill(&channel, &queue, &["1"]).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    within(next(&mut consumer).await.acker.reject(DROP)).await;
    assert_eq!(body(&arriving(&channel, &dead, 1).await[0]), "1");
}

pub(super) async fn dead_letters_without_an_exchange_are_gone(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let arguments = table_of(&[("x-dead-letter-exchange", string(&rig.name("absent")))]);
    let queue = rig.queue_with(&channel, "q", arguments).await;
    fill(&channel, &queue, &["1", "2"]).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    within(next(&mut consumer).await.acker.reject(DROP)).await;
    assert_eq!(body(&next(&mut consumer).await), "2");
    assert!(channel.status().connected());
}

pub(super) async fn a_letter_that_dies_again_counts_its_deaths(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    // Its dead letters come back to it.
    let name = rig.name("q");
    let arguments =
        table_of(&[("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string(&name))]);
    let queue = rig.queue_with(&channel, "q", arguments).await;
    fill(&channel, &queue, &["1"]).await;
    let theirs = open(&connection).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    for _ in 0..2 {
        within(next(&mut consumer).await.acker.reject(DROP)).await;
    }
    let [death] = <[_; 1]>::try_from(deaths(&next(&mut consumer).await)).unwrap();
    assert_eq!(death.inner().get("count"), Some(&AMQPValue::LongLongInt(2)));
}

pub(super) async fn a_letter_that_would_go_in_circles_by_itself_is_dropped(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let name = rig.name("q");
    let arguments = table_of(&[
        ("x-dead-letter-exchange", string("")),
        ("x-dead-letter-routing-key", string(&name)),
        ("x-message-ttl", int(50)),
    ]);
    let queue = rig.queue_with(&channel, "q", arguments).await;
    fill(&channel, &queue, &["1"]).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(counts(&channel, &queue).await, (0, 0));
    assert!(take(&channel, &queue).await.is_none());
}

pub(super) async fn a_dead_letter_reaches_whoever_waits_for_it(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let grave = Grave::of(rig, &channel, &[("x-message-ttl", int(400))]).await;
    let theirs = open(&connection).await;
    let mut consumer = consume(&theirs, &grave.dead, false).await.unwrap();
    fill(&channel, &grave.queue, &["1"]).await;
    // Not before its time.
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), next(&mut consumer)).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(body(&next(&mut consumer).await), "1");
    quiet(&mut consumer).await;
}
