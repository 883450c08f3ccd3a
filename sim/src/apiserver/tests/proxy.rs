use std::{io, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use ms2m_app::io::{BoxStream, Dial, Endpoint};
use serde_json::{Value, json};

use super::world::{client, server_with, status};
use crate::apiserver::{ApiServer, Denied};

/// A kubelet at `10.0.0.1:10250` that answers with the request line it got.
struct Kubelet;

#[async_trait]
impl Dial for Kubelet {
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxStream> {
        if (endpoint.host.as_str(), endpoint.port, endpoint.tls) != ("10.0.0.1", 10250, false) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            let service =
                hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                    let line =
                        json!({ "method": request.method().as_str(), "uri": request.uri().to_string() });
                    let (code, text) = if request.uri().path().contains("missing") {
                        (404, "pod does not exist".to_owned())
                    } else {
                        (200, line.to_string())
                    };
                    http::Response::builder().status(code).body(Full::new(Bytes::from(text)))
                });
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(far), service)
                .await
                .unwrap();
        });
        Ok(Box::new(near))
    }

    async fn connect_amqp(
        &self,
        _: lapin::uri::AMQPUri,
        _: lapin::ConnectionProperties,
    ) -> lapin::Result<lapin::Connection> {
        Err(lapin::Error::from(io::Error::from(io::ErrorKind::Unsupported)))
    }
}

fn server_with_nodes() -> ApiServer {
    let server = server_with(Arc::new(Kubelet));
    for (name, address) in [("node-a", "10.0.0.1"), ("node-b", "10.0.0.2")] {
        server
            .create(json!({
                "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
                "status": {
                    "addresses": [{ "type": "Hostname", "address": name }, { "type": "InternalIP", "address": address }],
                    "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } },
                },
            }))
            .unwrap();
    }
    server
}

fn checkpoint(node: &str, pod: &str) -> http::Request<Vec<u8>> {
    let path = format!("/api/v1/nodes/{node}/proxy/checkpoint/default/{pod}/app?timeout=30");
    http::Request::post(path).body(Vec::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_node_proxy_passes_method_path_and_query_on_to_the_kubelet_and_its_answer_back() {
    let client = client(&server_with_nodes());
    let answer: Value = client.request(checkpoint("node-a", "orders-0")).await.unwrap();
    assert_eq!(answer, json!({ "method": "POST", "uri": "/checkpoint/default/orders-0/app?timeout=30" }));
    let missing = client.request::<Value>(checkpoint("node-a", "missing")).await.unwrap_err();
    assert_eq!(status(&missing).code, 404);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_unknown_or_unreachable_or_denied_says_so() {
    let server = server_with_nodes();
    let client = client(&server);
    let code = async |node: &str| match client.request::<Value>(checkpoint(node, "orders-0")).await {
        Ok(_) => 200,
        Err(error) => status(&error).code,
    };
    assert_eq!(code("node-x").await, 404);
    assert_eq!(code("node-b").await, 503);
    server.deny(vec![Denied {
        resource: Some("nodes".to_owned()),
        subresource: Some("proxy".to_owned()),
        ..Denied::default()
    }]);
    assert_eq!(code("node-a").await, 403);
    let last = server.log_of_writes().pop().unwrap();
    assert_eq!(
        (last.plural.as_str(), last.subresource.as_str(), last.code),
        ("nodes", "proxy/checkpoint/default/orders-0/app", 403)
    );
}
