use lapin::{
    Channel, Confirmation, ExchangeKind,
    options::BasicGetOptions,
    types::{AMQPValue, FieldTable},
};

use crate::rig::{
    Rig, arriving, bind, body, counts, drain, fill, int, open, publish, string, table_of, within,
};

fn none() -> FieldTable {
    FieldTable::default()
}

async fn full(rig: &Rig, channel: &Channel, arguments: &[(&str, AMQPValue)]) -> String {
    rig.queue_with(channel, "q", table_of(arguments)).await
}

async fn is_taken(channel: &Channel, exchange: &str, queue: &str, body: &str) -> bool {
    match publish(channel, exchange, queue, body, none()).await {
        Confirmation::Ack(None) => true,
        Confirmation::Nack(_) => false,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_full_queue_drops_its_oldest_message(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = full(rig, &channel, &[("x-max-length", int(2))]).await;
    fill(&channel, &queue, &["1", "2", "3", "4"]).await;
    assert_eq!(drain(&channel, &queue).await, ["3", "4"]);
}

pub(super) async fn a_queue_may_be_full_by_bytes(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = full(rig, &channel, &[("x-max-length-bytes", int(10))]).await;
    fill(&channel, &queue, &["four", "4444", "five5"]).await;
    assert_eq!(drain(&channel, &queue).await, ["4444", "five5"]);
}

pub(super) async fn what_is_unacked_does_not_make_a_queue_full(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let queue = full(rig, &channel, &[("x-max-length", int(1))]).await;
    fill(&channel, &queue, &["1"]).await;
    let theirs = open(&connection).await;
    let got = within(theirs.basic_get(queue.as_str().into(), BasicGetOptions::default())).await;
    assert_eq!(got.map(|got| body(&got.delivery)).as_deref(), Some("1"));
    fill(&channel, &queue, &["2"]).await;
    assert_eq!(counts(&channel, &queue).await, (1, 0));
    // What comes back is the oldest, and there is no room for two.
    within(theirs.close(200, "done".into())).await;
    assert_eq!(drain(&channel, &queue).await, ["2"]);
}

pub(super) async fn a_full_queue_that_rejects_nacks_what_comes(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let arguments = [("x-max-length", int(2)), ("x-overflow", string("reject-publish"))];
    let queue = full(rig, &channel, &arguments).await;
    let mut taken = Vec::new();
    for body in ["1", "2", "3"] {
        taken.push(is_taken(&channel, "", &queue, body).await);
    }
    assert_eq!(taken, [true, true, false]);
    assert_eq!(drain(&channel, &queue).await, ["1", "2"]);
    assert!(is_taken(&channel, "", &queue, "4").await, "there is room again");
}

pub(super) async fn one_queue_that_rejects_makes_a_nack_and_the_others_keep_the_message(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let arguments = [("x-max-length", int(1)), ("x-overflow", string("reject-publish"))];
    let queue = full(rig, &channel, &arguments).await;
    let roomy = rig.queue(&channel, "roomy").await;
    let exchange = rig.exchange(&channel, ExchangeKind::Fanout).await;
    for queue in [&queue, &roomy] {
        bind(&channel, queue, &exchange, "", none()).await;
    }
    assert!(is_taken(&channel, &exchange, "", "1").await);
    assert!(!is_taken(&channel, &exchange, "", "2").await);
    assert_eq!(drain(&channel, &queue).await, ["1"]);
    assert_eq!(drain(&channel, &roomy).await, ["1", "2"]);
}

pub(super) async fn a_full_queue_may_reject_and_make_a_dead_letter_of_it(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let dead = rig.queue(&channel, "dead").await;
    let arguments = [
        ("x-max-length", int(1)),
        ("x-overflow", string("reject-publish-dlx")),
        ("x-dead-letter-exchange", string("")),
        ("x-dead-letter-routing-key", string(&dead)),
    ];
    let queue = full(rig, &channel, &arguments).await;
    assert!(is_taken(&channel, "", &queue, "1").await);
    assert!(!is_taken(&channel, "", &queue, "2").await);
    assert_eq!(body(&arriving(&channel, &dead, 1).await[0]), "2");
    assert_eq!(drain(&channel, &queue).await, ["1"]);
}
