use lapin::{BasicProperties, ExchangeKind, types::FieldTable};
use ms2m::broker::{Broker as _, preflight};

use crate::rig::{Rig, bind, consume, drain, int, send, table_of};

pub(super) async fn messages_of_a_higher_priority_come_first(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue_with(&channel, "q", table_of(&[("x-max-priority", int(5))])).await;
    for (body, priority) in
        [("none", None), ("1", Some(1)), ("5", Some(5)), ("9", Some(9)), ("1 again", Some(1))]
    {
        let properties = priority.map_or_else(BasicProperties::default, |priority| {
            BasicProperties::default().with_priority(priority)
        });
        send(&channel, "", &queue, body, properties).await;
    }
    // What is above the queue's highest counts as that.
    assert_eq!(drain(&channel, &queue).await, ["5", "9", "1", "1 again", "none"]);
}

pub(super) async fn a_queue_with_priorities_is_refused_and_told_why(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue_with(&channel, "q", table_of(&[("x-max-priority", int(5))])).await;
    let exchange = rig.exchange(&channel, ExchangeKind::Direct).await;
    bind(&channel, &queue, &exchange, "new", FieldTable::default()).await;
    let _consumer = consume(&channel, &queue, true).await.unwrap();
    let facts = rig.adapter().inspect(&queue).await.unwrap().expect("it is there");
    let findings = preflight::check(&queue, Some(&facts), &[]);
    let finding = findings.iter().find(|finding| finding.reason == preflight::QUEUE_UNSUITABLE);
    let message = &finding.expect("it is unsuitable").message;
    assert!(message.contains("x-max-priority: messages overtake each other"), "{message}");
}
