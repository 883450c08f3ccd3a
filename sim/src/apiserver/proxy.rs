use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures::future::{Either, select};
use http::Method;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use ms2m_app::io::{BoxStream, Endpoint};

use super::{
    error::ApiError, http::Response, object::items, request::Request, server::ApiServer, store::Key,
};

/// How long the server tries to reach a kubelet.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Forwards a request below `/api/v1/nodes/{node}/proxy/` to that node's kubelet, and its answer back, as they are.
pub(super) async fn forward(
    server: &ApiServer,
    method: &Method,
    query: &str,
    request: &Request,
) -> Result<Response, ApiError> {
    let endpoint = kubelet_of(server, &request.target.name)?;
    let path = request.target.subresource.strip_prefix("proxy").unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let connect = server.shared.dial.connect(&endpoint);
    let stream = match tokio::time::timeout(DIAL_TIMEOUT, connect).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(undialled(&endpoint, &format_args!("connect: {error}"))),
        Err(_) => return Err(undialled(&endpoint, &"i/o timeout")),
    };
    let outgoing = http::Request::builder()
        .method(method.clone())
        .uri(uri)
        .header(http::header::HOST, format!("{}:{}", endpoint.host, endpoint.port))
        .header(http::header::USER_AGENT, &request.user_agent)
        .header(http::header::CONTENT_TYPE, &request.content_type)
        .body(Full::new(Bytes::from(request.body.clone())))
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    exchange(stream, outgoing).await.map_err(|error| unreachable(&error))
}

async fn exchange(stream: BoxStream, outgoing: http::Request<Full<Bytes>>) -> hyper::Result<Response> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let call = pin!(async move {
        let (parts, body) = sender.send_request(outgoing).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok::<_, hyper::Error>((parts, body))
    });
    // The connection makes progress only while it is polled, and may end before the last of the answer is read.
    let (parts, body) = match select(call, pin!(connection)).await {
        Either::Left((answer, _)) => answer?,
        Either::Right((_, call)) => call.await?,
    };
    let mut response = http::Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = parts.status;
    if let Some(content_type) = parts.headers.get(http::header::CONTENT_TYPE) {
        response.headers_mut().insert(http::header::CONTENT_TYPE, content_type.clone());
    }
    Ok(response)
}

/// Where a node says that its kubelet listens.
fn kubelet_of(server: &ApiServer, node: &str) -> Result<Endpoint, ApiError> {
    let key = Key {
        group: String::new(),
        plural: "nodes".to_owned(),
        namespace: String::new(),
        name: node.to_owned(),
    };
    let node = server.lock().store.get_existing(&key)?;
    let addresses = items(&node["status"]["addresses"]);
    let address_of = |kind: &str| addresses.iter().find(|address| address["type"] == kind);
    let host = address_of("InternalIP")
        .or_else(|| address_of("Hostname"))
        .and_then(|address| address["address"].as_str())
        .ok_or_else(|| unreachable(&"the node has no address"))?;
    let port = &node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"];
    let port = port.as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(10250);
    Ok(Endpoint { host: host.to_owned(), port, tls: false })
}

/// Nothing was sent: a caller can tell that by the words.
fn undialled(endpoint: &Endpoint, why: &dyn std::fmt::Display) -> ApiError {
    unreachable(&format_args!("dial tcp {}:{}: {why}", endpoint.host, endpoint.port))
}

fn unreachable(why: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(503, "ServiceUnavailable", format!("error trying to reach service: {why}"))
}
