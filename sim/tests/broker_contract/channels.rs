use amq_protocol::{
    protocol::{
        AMQPClass, basic,
        channel::{self, AMQPMethod as Channel},
        queue,
    },
    types::FieldTable,
};

use crate::{
    bare::{Bare, Closed},
    rig::{Rig, drain},
};

fn open() -> AMQPClass {
    AMQPClass::Channel(Channel::Open(channel::Open {}))
}

fn close() -> AMQPClass {
    let close = channel::Close { reply_code: 200, reply_text: "done".into(), class_id: 0, method_id: 0 };
    AMQPClass::Channel(Channel::Close(close))
}

fn close_ok() -> AMQPClass {
    AMQPClass::Channel(Channel::CloseOk(channel::CloseOk {}))
}

fn declare(name: &str, passive: bool) -> AMQPClass {
    AMQPClass::Queue(queue::AMQPMethod::Declare(queue::Declare {
        queue: name.into(),
        passive,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::default(),
    }))
}

fn publish(queue: &str) -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Publish(basic::Publish {
        exchange: "".into(),
        routing_key: queue.into(),
        mandatory: false,
        immediate: false,
    }))
}

async fn opened(bare: &mut Bare, channel: u16) {
    bare.ask(channel, open()).await;
    let (answered, answer) = bare.answer().await;
    assert!(matches!(answer, AMQPClass::Channel(Channel::OpenOk(_))) && answered == channel, "{answer:?}");
}

/// Asks for what is not there: the broker closes the channel, and waits for the answer.
async fn closed_by_the_broker(rig: &Rig, bare: &mut Bare, channel: u16) {
    opened(bare, channel).await;
    bare.ask(channel, declare(&rig.name("absent"), true)).await;
    let closed = bare.closed().await;
    assert!(matches!(closed, Closed::Channel(404, _)), "{closed:?}");
}

fn channel_error(text: &str) -> Closed {
    Closed::Connection(504, format!("CHANNEL_ERROR - {text}"))
}

pub(super) async fn a_method_on_a_channel_that_is_not_open_ends_the_connection(rig: &Rig) {
    for method in [declare(&rig.name("q"), false), close(), close_ok()] {
        let mut bare = Bare::connect(rig).await;
        bare.ask(7, method.clone()).await;
        assert_eq!(bare.closed().await, channel_error("expected 'channel.open'"), "{method:?}");
    }
}

pub(super) async fn a_method_on_a_channel_that_was_closed_ends_the_connection(rig: &Rig) {
    let mut bare = Bare::connect(rig).await;
    closed_by_the_broker(rig, &mut bare, 1).await;
    bare.ask(1, close_ok()).await;
    bare.ask(1, declare(&rig.name("q"), false)).await;
    assert_eq!(bare.closed().await, channel_error("expected 'channel.open'"));
}

pub(super) async fn a_channel_that_is_opened_twice_ends_the_connection(rig: &Rig) {
    let mut bare = Bare::connect(rig).await;
    opened(&mut bare, 1).await;
    bare.ask(1, open()).await;
    assert_eq!(bare.closed().await, channel_error("second 'channel.open' seen"));
}

pub(super) async fn content_without_a_publish_ends_the_connection(rig: &Rig) {
    let mut bare = Bare::connect(rig).await;
    opened(&mut bare, 1).await;
    bare.content(1, b"lost").await;
    let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    assert_eq!(bare.closed().await, Closed::Connection(505, text.to_owned()));
}

pub(super) async fn what_comes_for_a_channel_that_the_broker_has_closed_is_discarded(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let mut bare = Bare::connect(rig).await;
    closed_by_the_broker(rig, &mut bare, 1).await;
    let unmade = rig.name("unmade");
    bare.ask(1, declare(&unmade, false)).await;
    bare.ask(1, publish(&queue)).await;
    bare.content(1, b"discarded").await;
    bare.ask(1, close_ok()).await;
    opened(&mut bare, 1).await;
    bare.ask(1, declare(&unmade, true)).await;
    assert!(matches!(bare.closed().await, Closed::Channel(404, _)), "the queue was declared");
    assert_eq!(drain(&channel, &queue).await, Vec::<String>::new());
}

pub(super) async fn a_channel_that_both_sides_close_is_closed_once(rig: &Rig) {
    let mut bare = Bare::connect(rig).await;
    closed_by_the_broker(rig, &mut bare, 1).await;
    bare.ask(1, close()).await;
    let (_, answer) = bare.answer().await;
    assert!(matches!(answer, AMQPClass::Channel(Channel::CloseOk(_))), "{answer:?}");
    bare.ask(1, close_ok()).await;
    opened(&mut bare, 1).await;
}
