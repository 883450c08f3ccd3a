use lapin::{
    Confirmation, ExchangeKind,
    options::{
        ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, ExchangeUnbindOptions,
        QueueBindOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::rig::{
    Rig, bind, counts, drain, open, publish, refused, sending, string, table, table_of, within,
};

fn none() -> FieldTable {
    FieldTable::default()
}

const LASTING: ExchangeDeclareOptions = ExchangeDeclareOptions {
    passive: false,
    durable: true,
    auto_delete: false,
    internal: false,
    nowait: false,
};

/// Whether the broker took a mandatory message, rather than returning it.
fn is_routed(confirmation: &Confirmation) -> bool {
    match confirmation {
        Confirmation::Ack(returned) => returned.is_none(),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn an_exchange_without_bindings_drops_and_confirms(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let exchange = rig.exchange(&channel, ExchangeKind::Fanout).await;
    assert!(!is_routed(&publish(&channel, &exchange, "key", "lost", none()).await));
    let unasked = channel.basic_publish(
        exchange.as_str().into(),
        "key".into(),
        Default::default(),
        b"lost",
        Default::default(),
    );
    assert!(matches!(within(async { unasked.await?.await }).await, Confirmation::Ack(None)));
}

pub(super) async fn a_direct_binding_wants_its_very_key(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let exchange = rig.exchange(&channel, ExchangeKind::Direct).await;
    let queue = rig.queue(&channel, "q").await;
    bind(&channel, &queue, &exchange, "orders.*", none()).await;
    assert!(!is_routed(&publish(&channel, &exchange, "orders.new", "1", none()).await));
    assert!(is_routed(&publish(&channel, &exchange, "orders.*", "2", none()).await));
    assert_eq!(drain(&channel, &queue).await, ["2"]);
}

pub(super) async fn a_hash_in_a_topic_is_any_number_of_words(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let exchange = rig.exchange(&channel, ExchangeKind::Topic).await;
    let queue = rig.queue(&channel, "q").await;
    bind(&channel, &queue, &exchange, "orders.#.eu", none()).await;
    for (key, body) in [("orders.eu", "1"), ("orders.new.big.eu", "2"), ("orders", "3"), ("orders.eu.x", "4")]
    {
        publish(&channel, &exchange, key, body, none()).await;
    }
    assert_eq!(drain(&channel, &queue).await, ["1", "2"]);
}

/// Which of these sets of headers a headers binding lets through.
async fn passes<const N: usize>(
    rig: &Rig,
    binding: FieldTable,
    messages: [(&str, FieldTable); N],
) -> Vec<String> {
    let (_connection, channel) = rig.channel().await;
    let exchange = rig.exchange(&channel, ExchangeKind::Headers).await;
    let queue = rig.queue(&channel, "q").await;
    bind(&channel, &queue, &exchange, "ignored", binding).await;
    for (body, headers) in messages {
        publish(&channel, &exchange, "", body, headers).await;
    }
    drain(&channel, &queue).await
}

pub(super) async fn a_headers_binding_of_any_wants_one_header(rig: &Rig) {
    let binding = table(&[("x-match", "any"), ("region", "eu"), ("kind", "new")]);
    let passed = passes(
        rig,
        binding,
        [
            ("one", table(&[("region", "eu")])),
            ("other", table(&[("kind", "new"), ("region", "us")])),
            ("neither", table(&[("region", "us")])),
            ("bare", none()),
        ],
    );
    assert_eq!(passed.await, ["one", "other"]);
}

pub(super) async fn a_headers_binding_wants_all_where_nothing_is_said(rig: &Rig) {
    let binding = table(&[("region", "eu"), ("kind", "new")]);
    let passed = passes(
        rig,
        binding,
        [("both", table(&[("region", "eu"), ("kind", "new")])), ("one", table(&[("region", "eu")]))],
    );
    assert_eq!(passed.await, ["both"]);
}

pub(super) async fn a_headers_binding_of_all_or_any_does_not_look_at_x_headers(rig: &Rig) {
    let passed = |of: &'static str, headers| {
        let binding = table(&[("x-match", of), ("x-tenant", "one"), ("region", "eu")]);
        async move { passes(rig, binding, [("m", headers)]).await.len() }
    };
    assert_eq!(passed("all", table(&[("region", "eu")])).await, 1);
    assert_eq!(passed("any", table(&[("x-tenant", "one")])).await, 0);
}

pub(super) async fn a_headers_binding_with_x_looks_at_x_headers(rig: &Rig) {
    let passed = |of: &'static str, headers| {
        let binding = table(&[("x-match", of), ("x-tenant", "one"), ("region", "eu")]);
        async move { passes(rig, binding, [("m", headers)]).await.len() }
    };
    assert_eq!(passed("all-with-x", table(&[("region", "eu")])).await, 0);
    assert_eq!(passed("all-with-x", table(&[("region", "eu"), ("x-tenant", "one")])).await, 1);
    assert_eq!(passed("any-with-x", table(&[("x-tenant", "one")])).await, 1);
}

pub(super) async fn a_headers_binding_without_a_value_wants_the_header_only(rig: &Rig) {
    let binding = table_of(&[("x-match", string("all")), ("region", AMQPValue::Void)]);
    let passed = passes(rig, binding, [("any value", table(&[("region", "eu")])), ("none", none())]);
    assert_eq!(passed.await, ["any value"]);
}

pub(super) async fn an_unknown_x_match_is_refused(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let exchange = rig.exchange(&channel, ExchangeKind::Headers).await;
    let queue = rig.queue(&channel, "q").await;
    let options = QueueBindOptions::default();
    let arguments = table(&[("x-match", "some"), ("region", "eu")]);
    let bound =
        channel.queue_bind(queue.as_str().into(), exchange.as_str().into(), "".into(), options, arguments);
    assert_eq!(refused(bound).await, 406);
}

pub(super) async fn what_no_binding_wants_goes_to_the_alternate_exchange(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let other = rig.exchange_with(&channel, "other", ExchangeKind::Fanout, none()).await;
    let arguments = table(&[("alternate-exchange", &other)]);
    let exchange = rig.exchange_with(&channel, "main", ExchangeKind::Direct, arguments).await;
    let (queue, rest) = (rig.queue(&channel, "q").await, rig.queue(&channel, "rest").await);
    bind(&channel, &queue, &exchange, "new", none()).await;
    bind(&channel, &rest, &other, "", none()).await;
    for (key, body) in [("new", "1"), ("old", "2")] {
        // What the alternate exchange takes is not returned.
        assert!(is_routed(&publish(&channel, &exchange, key, body, none()).await));
    }
    assert_eq!(drain(&channel, &queue).await, ["1"]);
    let [unwanted] = <[_; 1]>::try_from(crate::rig::arriving(&channel, &rest, 1).await).unwrap();
    assert_eq!((unwanted.exchange.as_str(), unwanted.routing_key.as_str()), (exchange.as_str(), "old"));
}

pub(super) async fn an_alternate_exchange_that_is_not_there_takes_nothing(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let arguments = table(&[("alternate-exchange", &rig.name("absent"))]);
    let exchange = rig.exchange_with(&channel, "main", ExchangeKind::Direct, arguments).await;
    assert!(!is_routed(&publish(&channel, &exchange, "new", "1", none()).await));
    assert!(channel.status().connected());
}

pub(super) async fn alternate_exchanges_may_form_a_circle(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let names = [rig.name("one"), rig.name("two")];
    for (of, next) in [("one", &names[1]), ("two", &names[0])] {
        rig.exchange_with(&channel, of, ExchangeKind::Direct, table(&[("alternate-exchange", next)])).await;
    }
    assert!(!is_routed(&publish(&channel, &names[0], "new", "1", none()).await));
}

pub(super) async fn an_exchange_may_be_bound_to_an_exchange(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let from = rig.exchange_with(&channel, "from", ExchangeKind::Topic, none()).await;
    let to = rig.exchange_with(&channel, "to", ExchangeKind::Direct, none()).await;
    let queue = rig.queue(&channel, "q").await;
    bind(&channel, &queue, &to, "orders.new", none()).await;
    let (source, target) = (|| from.as_str().into(), || to.as_str().into());
    let options = ExchangeBindOptions::default();
    within(channel.exchange_bind(target(), source(), "orders.*".into(), options, none())).await;
    assert!(is_routed(&publish(&channel, &from, "orders.new", "1", none()).await));
    // It passes the first exchange, and no binding of the second wants it.
    assert!(!is_routed(&publish(&channel, &from, "orders.old", "2", none()).await));
    let options = ExchangeUnbindOptions::default();
    within(channel.exchange_unbind(target(), source(), "orders.*".into(), options, none())).await;
    assert!(!is_routed(&publish(&channel, &from, "orders.new", "3", none()).await));
    assert_eq!(drain(&channel, &queue).await, ["1"]);
}

pub(super) async fn a_message_that_takes_two_ways_to_a_queue_arrives_once(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let from = rig.exchange_with(&channel, "from", ExchangeKind::Fanout, none()).await;
    let to = rig.exchange_with(&channel, "to", ExchangeKind::Fanout, none()).await;
    let queue = rig.queue(&channel, "q").await;
    let options = ExchangeBindOptions::default();
    within(channel.exchange_bind(to.as_str().into(), from.as_str().into(), "".into(), options, none())).await;
    for exchange in [&from, &to] {
        bind(&channel, &queue, exchange, "", none()).await;
    }
    publish(&channel, &from, "", "1", none()).await;
    assert_eq!(drain(&channel, &queue).await, ["1"]);
}

pub(super) async fn an_internal_exchange_takes_no_messages_of_clients(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let name = rig.name("internal");
    let options = ExchangeDeclareOptions { internal: true, ..LASTING };
    within(channel.exchange_declare(name.as_str().into(), ExchangeKind::Fanout, options, none())).await;
    assert_eq!(refused(sending(&channel, &name, "", "x", Default::default())).await, 403);
}

pub(super) async fn declaring_an_exchange_in_another_way_is_refused(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let name = rig.exchange(&channel, ExchangeKind::Direct).await;
    within(channel.exchange_declare(name.as_str().into(), ExchangeKind::Direct, LASTING, none())).await;
    let transient = ExchangeDeclareOptions { durable: false, ..LASTING };
    let alternate = table(&[("alternate-exchange", "amq.fanout")]);
    for (kind, options, arguments) in [
        (ExchangeKind::Topic, LASTING, none()),
        (ExchangeKind::Direct, transient, none()),
        (ExchangeKind::Direct, LASTING, alternate),
    ] {
        let other = open(&connection).await;
        let declared = other.exchange_declare(name.as_str().into(), kind, options, arguments);
        assert_eq!(refused(declared).await, 406);
    }
}

pub(super) async fn an_unknown_kind_of_exchange_ends_the_connection(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let kind = ExchangeKind::Custom("x-unheard-of".into());
    let name = rig.name("exchange");
    assert_eq!(refused(channel.exchange_declare(name.as_str().into(), kind, LASTING, none())).await, 503);
    crate::rig::until(|| !connection.status().connected()).await;
}

pub(super) async fn an_exchange_of_a_reserved_name_cannot_be_made(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let name = format!("amq.{}", rig.name("exchange"));
    let declared = channel.exchange_declare(name.as_str().into(), ExchangeKind::Direct, LASTING, none());
    assert_eq!(refused(declared).await, 403);
}

pub(super) async fn the_default_exchange_cannot_be_bound(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(queue.as_str().into(), "".into(), "key".into(), options, none());
    assert_eq!(refused(bound).await, 403);
}

pub(super) async fn binding_what_is_not_there_is_refused(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let (queue, absent) = (rig.queue(&channel, "q").await, rig.name("absent"));
    for (queue, exchange) in [(queue.as_str(), absent.as_str()), (absent.as_str(), "amq.direct")] {
        let other = open(&connection).await;
        let options = QueueBindOptions::default();
        let bound = other.queue_bind(queue.into(), exchange.into(), "key".into(), options, none());
        assert_eq!(refused(bound).await, 404, "{queue} {exchange}");
    }
}

pub(super) async fn a_deleted_exchange_takes_its_bindings_with_it(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let exchange = rig.exchange(&channel, ExchangeKind::Fanout).await;
    bind(&channel, &queue, &exchange, "", none()).await;
    within(channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default())).await;
    rig.exchange(&channel, ExchangeKind::Fanout).await;
    assert!(!is_routed(&publish(&channel, &exchange, "", "1", none()).await));
    assert_eq!(counts(&channel, &queue).await, (0, 0));
}

pub(super) async fn an_exchange_with_bindings_is_not_deleted_if_that_was_asked(rig: &Rig) {
    let (_connection, channel) = rig.channel().await;
    let queue = rig.queue(&channel, "q").await;
    let exchange = rig.exchange(&channel, ExchangeKind::Fanout).await;
    bind(&channel, &queue, &exchange, "", none()).await;
    let options = ExchangeDeleteOptions { if_unused: true, ..Default::default() };
    assert_eq!(refused(channel.exchange_delete(exchange.as_str().into(), options)).await, 406);
}

pub(super) async fn an_auto_delete_exchange_goes_with_its_last_binding(rig: &Rig) {
    let (connection, channel) = rig.channel().await;
    let (queue, name) = (rig.queue(&channel, "q").await, rig.name("passing"));
    let options = ExchangeDeclareOptions { auto_delete: true, ..LASTING };
    within(channel.exchange_declare(name.as_str().into(), ExchangeKind::Fanout, options, none())).await;
    bind(&channel, &queue, &name, "", none()).await;
    within(channel.queue_unbind(queue.as_str().into(), name.as_str().into(), "".into(), none())).await;
    let other = open(&connection).await;
    let passive = ExchangeDeclareOptions { passive: true, ..LASTING };
    let asked = other.exchange_declare(name.as_str().into(), ExchangeKind::Fanout, passive, none());
    assert_eq!(refused(asked).await, 404);
}
