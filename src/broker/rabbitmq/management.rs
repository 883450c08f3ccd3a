use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use ms2m_app::io::{Dial, Endpoint};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::ManagementUrl;
use crate::{
    api::Binding,
    broker::{BoundTo, BrokerError, ConsumerFacts, FactsSource, QueueFacts, QueueKind},
};

/// Bytes of an answer that are read; a queue's facts are a few kilobytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Reads RabbitMQ's management API: what AMQP cannot tell.
pub(super) struct Management {
    url: ManagementUrl,
    vhost: String,
    dial: Arc<dyn Dial>,
    deadline: Duration,
}

#[derive(Deserialize)]
struct QueueRow {
    durable: bool,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    auto_delete: bool,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    arguments: BTreeMap<String, Value>,
    /// An object, or an empty array where there is no policy.
    #[serde(default)]
    effective_policy_definition: Value,
    #[serde(default)]
    consumer_details: Vec<ConsumerRow>,
}

#[derive(Deserialize)]
struct ConsumerRow {
    consumer_tag: String,
    #[serde(default)]
    exclusive: bool,
}

#[derive(Deserialize)]
struct BindingRow {
    source: String,
    routing_key: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Deserialize)]
struct ExchangeRow {
    #[serde(rename = "type")]
    kind: String,
}

impl Management {
    pub(super) fn new(url: ManagementUrl, vhost: String, dial: Arc<dyn Dial>, deadline: Duration) -> Self {
        Self { url, vhost, dial, deadline }
    }

    pub(super) async fn queue(&self, name: &str) -> Result<Option<QueueFacts>, BrokerError> {
        let (vhost, queue) = (encode(&self.vhost), encode(name));
        let Some(row) = self.get::<QueueRow>(&format!("/api/queues/{vhost}/{queue}")).await? else {
            return Ok(None);
        };
        let path = format!("/api/queues/{vhost}/{queue}/bindings");
        let rows = self.get::<Vec<BindingRow>>(&path).await?.unwrap_or_default();
        let mut bindings = Vec::new();
        for row in rows.into_iter().filter(|row| !row.source.is_empty()) {
            let path = format!("/api/exchanges/{vhost}/{}", encode(&row.source));
            let exchange = self.get::<ExchangeRow>(&path).await?;
            let arguments = match row.arguments {
                Value::Object(arguments) => arguments.into_iter().collect(),
                _ => BTreeMap::new(),
            };
            bindings.push(BoundTo {
                binding: Binding { exchange: row.source, routing_key: row.routing_key, arguments },
                exchange_kind: exchange.map_or_else(|| "gone".to_owned(), |exchange| exchange.kind),
            });
        }
        let mut arguments = row.arguments;
        if let Value::Object(policy) = row.effective_policy_definition {
            arguments.extend(policy);
        }
        Ok(Some(QueueFacts {
            source: FactsSource::Management,
            kind: match row.kind.as_deref() {
                Some("quorum") => QueueKind::Quorum,
                Some("stream") => QueueKind::Stream,
                _ => QueueKind::Classic,
            },
            durable: row.durable,
            exclusive: row.exclusive,
            auto_delete: row.auto_delete,
            arguments,
            consumers: row
                .consumer_details
                .into_iter()
                .map(|consumer| ConsumerFacts { tag: consumer.consumer_tag, exclusive: consumer.exclusive })
                .collect(),
            bindings,
        }))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, BrokerError> {
        match tokio::time::timeout(self.deadline, self.fetch(path)).await {
            Ok(result) => result.map_err(|problem| self.problem(problem)),
            Err(_) => Err(BrokerError::Timeout { call: "management API", within: self.deadline }),
        }
    }

    fn problem(&self, problem: String) -> BrokerError {
        BrokerError::Management { url: format!("{:?}", self.url), problem }
    }

    async fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let endpoint = Endpoint { host: self.url.host.clone(), port: self.url.port, tls: self.url.tls };
        let stream = self.dial.connect(&endpoint).await.map_err(|error| text(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
        let credentials = STANDARD.encode(format!("{}:{}", self.url.user, self.url.password));
        let request = Request::get(path)
            .header(header::HOST, format!("{}:{}", self.url.host, self.url.port))
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .body(Empty::<Bytes>::new())
            .map_err(|error| text(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| text(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok::<_, String>((status, body.map_err(|error| error.to_string())?.to_bytes()))
        };
        // The connection is driven only as long as the answer is awaited, so that nothing is left running.
        let (status, body) = tokio::select! {
            biased;
            answer = exchange => answer?,
            ended = connection => return Err(ended.err().map_or("connection closed".to_owned(), |e| text(&e))),
        };
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|error| text(&error)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED => Err("it refuses the credentials".to_owned()),
            status => Err(format!("it answers {status}")),
        }
    }
}

/// Percent-encoding of one path segment.
fn encode(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded
                    .extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_segment_of_a_path() {
        assert_eq!(encode("/"), "%2F");
        assert_eq!(encode("orders eu/1"), "orders%20eu%2F1");
        assert_eq!(encode("plain-1.2_3~"), "plain-1.2_3~");
    }
}
