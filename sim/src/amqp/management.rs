use std::convert::Infallible;

use amq_protocol::types::{AMQPValue, FieldTable};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use ms2m_app::io::Stream;
use serde_json::{Map, Value, json};

use super::{SharedBroker, broker::Broker, queue::Queue};

/// Serves the management API on one HTTP connection.
pub async fn serve_management<S: Stream>(broker: SharedBroker, stream: S) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut broker = broker.lock();
        broker.management_requests += 1;
        let response = answer(&broker, request.method() == hyper::Method::GET, request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "management connection ended");
    }
}

fn answer(broker: &Broker, is_get: bool, path: &str) -> Response<Full<Bytes>> {
    let segments: Vec<String> = path.split('/').skip(1).map(decode).collect();
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    let found = match words.as_slice() {
        _ if !is_get => None,
        ["api", "overview"] => Some(json!({ "product_name": "RabbitMQ" })),
        // There is one virtual host.
        ["api", _, vhost, ..] if *vhost != "/" => None,
        ["api", "queues", _, name] => broker.queues.get(*name).map(|queue| queue_json(broker, name, queue)),
        ["api", "queues", vhost, name, "bindings"] => {
            broker.queues.contains_key(*name).then(|| bindings_json(broker, vhost, name))
        }
        ["api", "exchanges", vhost, name] => broker.exchanges.get(*name).map(|exchange| {
            json!({
                "name": name, "vhost": vhost, "type": exchange.kind, "durable": exchange.durable,
                "auto_delete": exchange.auto_delete, "internal": exchange.internal,
                "arguments": table_json(&exchange.arguments),
            })
        }),
        _ => None,
    };
    match found {
        Some(body) => respond(StatusCode::OK, &body),
        None => {
            respond(StatusCode::NOT_FOUND, &json!({ "error": "Object Not Found", "reason": "Not Found" }))
        }
    }
}

fn respond(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    response
}

fn queue_json(broker: &Broker, name: &str, queue: &Queue) -> Value {
    let unacked = broker.unacked_of(name);
    let consumers: Vec<Value> = queue
        .consumers
        .iter()
        .map(|consumer| {
            json!({
                "consumer_tag": consumer.tag,
                "exclusive": consumer.exclusive,
                "ack_required": !consumer.no_ack,
                "prefetch_count": consumer.prefetch,
                "active": true,
                "channel_details": { "connection_name": broker.client_name(consumer.connection) },
                "queue": { "name": name },
            })
        })
        .collect();
    let active =
        queue.consumers.first().filter(|_| queue.settings.single_active).map(|consumer| consumer.tag.clone());
    json!({
        "name": name,
        "vhost": "/",
        "durable": queue.durable,
        "type": queue.kind().name(),
        "arguments": table_json(&queue.arguments),
        "effective_policy_definition": {},
        "exclusive": queue.exclusive.is_some(),
        "auto_delete": queue.auto_delete,
        "consumers": queue.consumers.len(),
        "messages": queue.ready() + unacked,
        "messages_ready": queue.ready(),
        "messages_unacknowledged": unacked,
        "consumer_details": consumers,
        "single_active_consumer_tag": active,
    })
}

fn bindings_json(broker: &Broker, vhost: &str, name: &str) -> Value {
    let row = |source: &str, key: &str, arguments: Value| {
        json!({
            "source": source, "vhost": vhost, "destination": name, "destination_type": "queue",
            "routing_key": key, "arguments": arguments,
            "properties_key": if key.is_empty() { "~" } else { key },
        })
    };
    let own = broker.bindings.iter().filter(|binding| binding.destination.is_queue(name));
    let own = own.map(|binding| row(&binding.exchange, &binding.routing_key, table_json(&binding.arguments)));
    std::iter::once(row("", name, json!({}))).chain(own).collect()
}

fn table_json(table: &FieldTable) -> Value {
    let entries = table.inner().iter().map(|(name, value)| (name.to_string(), value_json(value)));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn value_json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => json!(value),
        AMQPValue::ShortShortInt(value) => json!(value),
        AMQPValue::ShortShortUInt(value) => json!(value),
        AMQPValue::ShortInt(value) => json!(value),
        AMQPValue::ShortUInt(value) => json!(value),
        AMQPValue::LongInt(value) => json!(value),
        AMQPValue::LongUInt(value) => json!(value),
        AMQPValue::LongLongInt(value) => json!(value),
        AMQPValue::Float(value) => json!(value),
        AMQPValue::Double(value) => json!(value),
        AMQPValue::ShortString(value) => json!(value.as_str()),
        AMQPValue::LongString(value) => json!(String::from_utf8_lossy(value.as_bytes())),
        AMQPValue::FieldTable(value) => table_json(value),
        _ => Value::Null,
    }
}

/// Percent-decoding of one path segment.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let hex = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        if byte != b'%' {
            bytes.push(byte);
        } else if let (Some(high), Some(low)) = (hex(rest.next()), hex(rest.next())) {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
