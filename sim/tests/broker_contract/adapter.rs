use std::{sync::Arc, time::Duration};

use lapin::{ExchangeKind, types::FieldTable};
use ms2m::broker::{Broker as _, BrokerError, FactsSource, QueueKind, inbox::ReplyInbox, preflight};
use ms2m_app::contract::{CONTRACT_VERSION, Command, CommandBody, Marker, Reply, ReplyBody, control_queue};
use tokio::{sync::Notify, time::timeout};

use crate::rig::{Rig, bind, body, consume, declare, fill, next, publish};

pub(super) async fn the_facts_of_a_queue_are_those_it_was_declared_with(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let exchange = rig.exchange(&channel, ExchangeKind::Topic).await;
    let queue = rig.queue(&channel, "q").await;
    bind(&channel, &queue, &exchange, "orders.#", FieldTable::default()).await;
    let facts = rig.adapter().inspect(&queue).await.unwrap().expect("it is there");
    assert_eq!((facts.source, facts.kind), (FactsSource::Management, QueueKind::Classic));
    assert!(facts.durable && !facts.exclusive && !facts.auto_delete);
    let [bound] = facts.bindings.as_slice() else { panic!("{:?}", facts.bindings) };
    assert_eq!(
        (bound.binding.exchange.as_str(), bound.binding.routing_key.as_str()),
        (&*exchange, "orders.#")
    );
    assert_eq!(bound.exchange_kind, "topic");
    let unfenced = preflight::check(&queue, Some(&facts), &[]);
    assert_eq!(
        unfenced.iter().map(|finding| finding.reason).collect::<Vec<_>>(),
        [preflight::QUEUE_NOT_FENCED]
    );
}

pub(super) async fn a_queue_with_an_exclusive_consumer_passes_the_checks(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let exchange = rig.exchange(&channel, ExchangeKind::Topic).await;
    let queue = rig.queue(&channel, "q").await;
    bind(&channel, &queue, &exchange, "orders.#", FieldTable::default()).await;
    let _consumer = consume(&channel, &queue, true).await.unwrap();
    let broker = rig.adapter();
    // The management API hears of consumers a moment later.
    let findings = async {
        loop {
            let facts = broker.inspect(&queue).await.unwrap().expect("it is there");
            if !facts.consumers.is_empty() {
                return preflight::check(&queue, Some(&facts), &[]);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let findings = timeout(Duration::from_secs(20), findings).await.expect("the consumer is known");
    assert!(findings.is_empty(), "{findings:?}");
}

pub(super) async fn a_queue_with_an_awkward_name_is_found(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "orders/eu 100% ü").await;
    let broker = rig.adapter();
    assert!(broker.inspect(&queue).await.unwrap().is_some());
    broker.lane().await.unwrap().delete_queue(&queue).await.unwrap();
}

pub(super) async fn a_queue_that_is_not_there_has_no_facts(rig: &Rig) {
    let (broker, absent) = (rig.adapter(), rig.name("absent"));
    assert_eq!(broker.inspect(&absent).await.unwrap(), None);
    let lane = broker.lane().await.unwrap();
    assert!(lane.consumers(&absent).await.unwrap().is_none());
    // The channel that asked was ended by the broker; the lane goes on.
    assert!(lane.consumers(&absent).await.unwrap().is_none() && lane.is_open());
    let findings = preflight::check(&absent, None, &[]);
    assert_eq!(findings.first().map(|finding| finding.reason), Some(preflight::QUEUE_NOT_FOUND));
}

/// Each closes a channel, and a client that gives the numbers of channels out in turn has used all of them at the end.
pub(super) async fn thousands_of_questions_for_a_queue_that_is_not_there_leave_a_channel_for_others(
    rig: &Rig,
) {
    let (broker, absent) = (rig.adapter(), rig.name("absent"));
    let lane = broker.lane().await.unwrap();
    // RabbitMQ allows 2,047 channels on a connection where nobody says otherwise.
    for asked in 0..2_100 {
        assert!(lane.consumers(&absent).await.unwrap().is_none(), "{asked}");
    }
    let (lane, replies) = (broker.lane().await.unwrap(), rig.name("replies"));
    lane.declare_replies(&replies).await.unwrap();
    lane.delete_queue(&replies).await.unwrap();
}

pub(super) async fn a_queue_of_the_default_exchange_is_refused(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let facts = rig.adapter().inspect(&queue).await.unwrap().expect("it is there");
    assert!(facts.bindings.is_empty(), "{:?}", facts.bindings);
    let findings = preflight::check(&queue, Some(&facts), &[]);
    assert_eq!(findings.first().map(|finding| finding.reason), Some(preflight::QUEUE_NOT_BOUND));
}

pub(super) async fn a_mirror_may_be_made_twice(rig: &Rig) {
    let lane = rig.adapter().lane().await.unwrap();
    let replay = rig.name("r");
    for _ in 0..2 {
        lane.mirror(&replay, &[]).await.unwrap();
    }
    lane.delete_queue(&replay).await.unwrap();
}

pub(super) async fn a_queue_may_be_deleted_twice(rig: &Rig) {
    let lane = rig.adapter().lane().await.unwrap();
    let replies = rig.name("replies");
    lane.declare_replies(&replies).await.unwrap();
    for _ in 0..2 {
        lane.delete_queue(&replies).await.unwrap();
    }
    assert!(lane.consumers(&replies).await.unwrap().is_none());
}

pub(super) async fn whoever_consumes_a_queue_is_counted_at_once(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let lane = rig.adapter().lane().await.unwrap();
    assert_eq!(lane.consumers(&queue).await.unwrap(), Some(0));
    let (_other, theirs) = rig.channel().await;
    let _consumer = consume(&theirs, &queue, true).await.unwrap();
    assert_eq!(lane.consumers(&queue).await.unwrap(), Some(1));
}

pub(super) async fn a_marker_stands_behind_what_was_published_before_it(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let exchange = rig.exchange(&channel, ExchangeKind::Direct).await;
    let queue = rig.queue(&channel, "q").await;
    bind(&channel, &queue, &exchange, "new", FieldTable::default()).await;
    publish(&channel, &exchange, "new", "before", FieldTable::default()).await;
    let marker = Marker::Sync {
        version: CONTRACT_VERSION,
        migration: "m".to_owned(),
        epoch: 1,
        nonce: "n".to_owned(),
        source: "pod".to_owned(),
    };
    rig.adapter().lane().await.unwrap().publish_marker(&queue, &marker).await.unwrap();
    publish(&channel, &exchange, "new", "after", FieldTable::default()).await;
    let mut consumer = consume(&channel, &queue, false).await.unwrap();
    assert_eq!(body(&next(&mut consumer).await), "before");
    let delivered = next(&mut consumer).await;
    assert_eq!(serde_json::from_slice::<Marker>(&delivered.data).unwrap(), marker);
    assert_eq!(body(&next(&mut consumer).await), "after");
}

pub(super) async fn a_command_for_a_pod_without_a_control_queue_is_unroutable(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let lane = rig.adapter().lane().await.unwrap();
    let command =
        Command { version: CONTRACT_VERSION, migration: "m".to_owned(), epoch: 1, body: CommandBody::Stop };
    let pod = rig.name("pod");
    let refused = lane.send_command(&pod, &command).await;
    assert!(matches!(refused, Err(BrokerError::Unroutable(_))), "{refused:?}");
    let queue = control_queue(&pod);
    declare(&channel, &queue, &[]).await;
    lane.send_command(&pod, &command).await.unwrap();
    let mut consumer = consume(&channel, &queue, true).await.unwrap();
    let delivered = next(&mut consumer).await;
    assert_eq!(serde_json::from_slice::<Command>(&delivered.data).unwrap(), command);
    lane.delete_queue(&queue).await.unwrap();
}

fn reply(epoch: u64) -> Reply {
    let body = ReplyBody::Resumed { nonce: None };
    Reply { version: CONTRACT_VERSION, migration: "m".to_owned(), epoch, pod_uid: "pod".to_owned(), body }
}

async fn say(rig: &Rig, queue: &str, epochs: &[u64]) {
    let (_connection, channel) = rig.channel().await;
    for epoch in epochs {
        fill(&channel, queue, &[&serde_json::to_string(&reply(*epoch)).unwrap()]).await;
    }
}

/// The inbox's epochs, once there are as many as expected.
async fn heard(inbox: &ReplyInbox, news: &Notify, count: usize) -> Vec<(u64, u64)> {
    let hear = async {
        loop {
            let waiting = inbox.snapshot();
            if waiting.len() >= count {
                return waiting.into_iter().map(|w| (w.id, w.reply.expect("it parses").epoch)).collect();
            }
            news.notified().await;
        }
    };
    timeout(Duration::from_secs(10), hear).await.expect("the replies are heard")
}

fn waker() -> (Arc<Notify>, Arc<dyn Fn() + Send + Sync>) {
    let news = Arc::new(Notify::new());
    let wake = news.clone();
    (news, Arc::new(move || wake.notify_one()))
}

pub(super) async fn replies_wait_until_they_are_acked(rig: &Rig) {
    let lane = rig.adapter().lane().await.unwrap();
    let queue = rig.name("replies");
    lane.declare_replies(&queue).await.unwrap();
    let (news, wake) = waker();
    let inbox = lane.replies(&queue, wake).await.unwrap();
    say(rig, &queue, &[1, 2]).await;
    let waiting = heard(&inbox, &news, 2).await;
    assert_eq!(waiting.iter().map(|(_, epoch)| *epoch).collect::<Vec<_>>(), [1, 2]);
    inbox.ack(&[waiting[0].0]).await;
    assert_eq!(heard(&inbox, &news, 1).await, [waiting[1]]);
    lane.delete_queue(&queue).await.unwrap();
}

pub(super) async fn replies_that_were_not_acked_come_again(rig: &Rig) {
    let queue = rig.name("replies");
    let lane = rig.adapter().lane().await.unwrap();
    lane.declare_replies(&queue).await.unwrap();
    say(rig, &queue, &[1, 2]).await;
    {
        let (news, wake) = waker();
        let inbox = lane.replies(&queue, wake).await.unwrap();
        let waiting = heard(&inbox, &news, 2).await;
        inbox.ack(&[waiting[0].0]).await;
    }
    drop(lane);
    let lane = rig.adapter().lane().await.unwrap();
    let (news, wake) = waker();
    let inbox = lane.replies(&queue, wake).await.unwrap();
    let waiting = heard(&inbox, &news, 1).await;
    assert_eq!(waiting.iter().map(|(_, epoch)| *epoch).collect::<Vec<_>>(), [2]);
    lane.delete_queue(&queue).await.unwrap();
}

pub(super) async fn a_deleted_replies_queue_breaks_the_inbox(rig: &Rig) {
    let broker = rig.adapter();
    let lane = broker.lane().await.unwrap();
    let queue = rig.name("replies");
    lane.declare_replies(&queue).await.unwrap();
    let (news, wake) = waker();
    let inbox = lane.replies(&queue, wake).await.unwrap();
    assert!(inbox.is_open());
    lane.delete_queue(&queue).await.unwrap();
    timeout(Duration::from_secs(10), news.notified()).await.expect("the inbox says so");
    assert!(!inbox.is_open());
}
