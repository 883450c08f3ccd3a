use lapin::{
    options::{BasicCancelOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions},
    types::{AMQPValue, FieldTable},
};

use crate::rig::{
    DURABLE, Rig, consume, counts, declare, drain, fill, int, next, open, refused, table, table_of, within,
};

fn none() -> FieldTable {
    FieldTable::default()
}

pub(super) async fn a_queue_without_a_name_is_given_one(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let options = QueueDeclareOptions { durable: false, exclusive: true, ..DURABLE };
    let given = async || within(channel.queue_declare("".into(), options, none())).await.name().to_string();
    let names = [given().await, given().await];
    assert!(names.iter().all(|name| name.starts_with("amq.gen-")) && names[0] != names[1], "{names:?}");
}

pub(super) async fn a_queue_of_a_reserved_name_cannot_be_made(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let name = format!("amq.{}", rig.name("q"));
    assert_eq!(refused(channel.queue_declare(name.as_str().into(), DURABLE, none())).await, 403);
}

pub(super) async fn declaring_tells_how_many_messages_are_ready_and_who_consumes(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    assert_eq!(counts(&channel, &queue).await, (2, 0));
    let theirs = open(&connection).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    next(&mut consumer).await;
    next(&mut consumer).await;
    assert_eq!(counts(&channel, &queue).await, (0, 1));
}

pub(super) async fn declaring_a_queue_in_another_way_is_refused(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let arguments = || table_of(&[("x-max-length", int(5))]);
    let queue = rig.queue_with(&channel, "q", arguments()).await;
    // A number is a number, whatever its width.
    for value in [int(5), AMQPValue::LongLongInt(5), AMQPValue::ShortInt(5)] {
        let same = table_of(&[("x-max-length", value)]);
        within(channel.queue_declare(queue.as_str().into(), DURABLE, same)).await;
    }
    for (options, arguments) in [
        (DURABLE, none()),
        (DURABLE, table_of(&[("x-max-length", int(6))])),
        (QueueDeclareOptions { durable: false, ..DURABLE }, arguments()),
        (QueueDeclareOptions { auto_delete: true, ..DURABLE }, arguments()),
    ] {
        let other = open(&connection).await;
        assert_eq!(refused(other.queue_declare(queue.as_str().into(), options, arguments)).await, 406);
    }
}

pub(super) async fn arguments_of_the_wrong_type_are_refused(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    drop(channel);
    for (name, value) in [
        ("x-message-ttl", AMQPValue::LongString("soon".into())),
        ("x-message-ttl", int(-1)),
        ("x-expires", int(0)),
        ("x-max-length", AMQPValue::LongString("few".into())),
        ("x-overflow", AMQPValue::LongString("explode".into())),
        ("x-dead-letter-exchange", int(1)),
        ("x-dead-letter-routing-key", AMQPValue::LongString("without an exchange".into())),
        ("x-single-active-consumer", AMQPValue::LongString("yes".into())),
        ("x-queue-type", AMQPValue::LongString("unheard-of".into())),
    ] {
        let other = open(&connection).await;
        let queue = rig.name("q");
        let arguments = table_of(&[(name, value)]);
        let declared = other.queue_declare(queue.as_str().into(), DURABLE, arguments);
        assert_eq!(refused(declared).await, 406, "{name}");
    }
}

pub(super) async fn an_exclusive_queue_is_locked_for_other_connections(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.name("mine");
    let options = QueueDeclareOptions { durable: false, exclusive: true, ..DURABLE };
    within(channel.queue_declare(queue.as_str().into(), options, none())).await;
    fill(&channel, &queue, &["1"]).await;
    let (other, _theirs) = rig.channel().await;
    let passive = QueueDeclareOptions { passive: true, ..DURABLE };
    let theirs = open(&other).await;
    assert_eq!(refused(theirs.queue_declare(queue.as_str().into(), passive, none())).await, 405);
    let theirs = open(&other).await;
    assert_eq!(refused(consume(&theirs, &queue, false)).await, 405);
    let theirs = open(&other).await;
    let deleted = theirs.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
    assert_eq!(refused(deleted).await, 405);
    assert_eq!(drain(&channel, &queue).await, ["1"]);
}

pub(super) async fn an_exclusive_queue_goes_with_its_connection(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.name("mine");
    let options = QueueDeclareOptions { exclusive: true, ..DURABLE };
    within(channel.queue_declare(queue.as_str().into(), options, none())).await;
    within(connection.close(200, "done".into())).await;
    let (_other, theirs) = rig.channel().await;
    declare(&theirs, &queue, &[]).await;
}

pub(super) async fn an_auto_delete_queue_goes_with_its_last_consumer(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.name("passing");
    let options = QueueDeclareOptions { auto_delete: true, ..DURABLE };
    within(channel.queue_declare(queue.as_str().into(), options, none())).await;
    let mut consumers = Vec::new();
    for _ in 0..2 {
        consumers.push(consume(&channel, &queue, false).await.unwrap());
    }
    for (consumer, there) in consumers.iter().zip([true, false]) {
        within(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await;
        let other = open(&connection).await;
        let passive = QueueDeclareOptions { passive: true, ..DURABLE };
        let asked = other.queue_declare(queue.as_str().into(), passive, none());
        if there {
            within(asked).await;
        } else {
            assert_eq!(refused(asked).await, 404);
        }
    }
}

pub(super) async fn a_queue_in_use_is_not_deleted_if_that_was_asked(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1"]).await;
    let if_empty = QueueDeleteOptions { if_empty: true, ..Default::default() };
    let other = open(&connection).await;
    assert_eq!(refused(other.queue_delete(queue.as_str().into(), if_empty)).await, 406);
    let _consumer = consume(&channel, &queue, false).await.unwrap();
    let if_unused = QueueDeleteOptions { if_unused: true, ..Default::default() };
    let other = open(&connection).await;
    assert_eq!(refused(other.queue_delete(queue.as_str().into(), if_unused)).await, 406);
}

pub(super) async fn deleting_tells_how_many_messages_went(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2"]).await;
    for expected in [2, 0] {
        let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
        assert_eq!(within(deleted).await, expected);
    }
}

pub(super) async fn purging_takes_what_is_ready_and_leaves_what_is_unacked(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    fill(&channel, &queue, &["1", "2", "3"]).await;
    let theirs = open(&connection).await;
    crate::rig::prefetch(&theirs, 1).await;
    let mut consumer = consume(&theirs, &queue, false).await.unwrap();
    next(&mut consumer).await;
    assert_eq!(within(channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default())).await, 2);
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, ["1"]);
}

pub(super) async fn a_queue_that_nobody_uses_expires(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = rig.queue_with(&channel, "q", table_of(&[("x-expires", int(200))])).await;
    // A publish is no use of it.
    fill(&channel, &queue, &["1"]).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let other = open(&connection).await;
    assert_eq!(refused(consume(&other, &queue, false)).await, 404);
}

pub(super) async fn priorities_are_refused_by_queues_that_are_logs(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    drop(channel);
    for kind in ["quorum", "stream"] {
        let other = open(&connection).await;
        let mut arguments = table(&[("x-queue-type", kind)]);
        arguments.insert("x-max-priority".into(), int(5));
        let name = rig.name(kind);
        let declared = other.queue_declare(name.as_str().into(), DURABLE, arguments);
        let error = tokio::time::timeout(std::time::Duration::from_secs(10), declared).await.unwrap();
        let error = error.expect_err("it is refused").to_string();
        assert!(error.contains("x-max-priority"), "{error}");
    }
}
