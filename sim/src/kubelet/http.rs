use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use ms2m_app::io::Stream;
use serde_json::json;

use super::{Kubelet, checkpoint::CheckpointError};

/// Serves one connection to the kubelet's HTTP API: `POST /checkpoint/{namespace}/{pod}/{container}` and `/healthz`.
///
/// Who may call it is checked by nobody here; the API server in front of it does that.
pub async fn serve_connection<S: Stream>(kubelet: Kubelet, stream: S) {
    let service = hyper::service::service_fn(move |request| answer(kubelet.clone(), request));
    let mut http = hyper::server::conn::http1::Builder::new();
    // The header would come from the wall clock.
    http.auto_date_header(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(target: "kubelet", %error, "connection ended");
    }
}

async fn answer(
    kubelet: Kubelet,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().trim_matches('/').to_owned();
    let segments: Vec<&str> = path.split('/').collect();
    let (code, body) = match segments.as_slice() {
        ["healthz"] => (StatusCode::OK, "ok".to_owned()),
        ["checkpoint", ..] if !kubelet.shared.config.serves_checkpoints => not_served(),
        ["checkpoint", ..] if request.method() != Method::POST => {
            (StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed".to_owned())
        }
        ["checkpoint", namespace, pod, container] => {
            let query = request.uri().query().unwrap_or_default();
            checkpoint(&kubelet, namespace, pod, container, query).await
        }
        _ => not_served(),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    let kind = if code == StatusCode::OK && segments.first() == Some(&"checkpoint") {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    };
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    Ok(response)
}

fn not_served() -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, "404: Page Not Found".to_owned())
}

async fn checkpoint(
    kubelet: &Kubelet,
    namespace: &str,
    pod: &str,
    container: &str,
    query: &str,
) -> (StatusCode, String) {
    let timeout = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "timeout");
    let timeout_s = match timeout.map(|(_, value)| value.parse::<i64>()) {
        None => 0,
        Some(Ok(seconds)) => seconds.max(0).unsigned_abs(),
        // Not a 400: that is what the kubelet says.
        Some(Err(_)) => {
            return (StatusCode::NOT_FOUND, "cannot parse value of timeout parameter".to_owned());
        }
    };
    match kubelet.checkpoint(namespace, pod, container, Duration::from_secs(timeout_s)).await {
        Ok(archive) => (StatusCode::OK, json!({ "items": [archive] }).to_string()),
        Err(CheckpointError::NotFound(why)) => (StatusCode::NOT_FOUND, why),
        Err(CheckpointError::Failed(why)) => (StatusCode::INTERNAL_SERVER_ERROR, why),
    }
}
