use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use ms2m_app::io::{BoxStream, Dial, Endpoint};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::AsyncWriteExt as _,
    task::spawn_local,
    time::{Duration, sleep, timeout},
};

/// Every wait ends by then: a test that hangs is a test that fails.
const DEADLINE: Duration = Duration::from_secs(20);
/// By then a server has noticed what has become of a connection.
const NOTICED: Duration = Duration::from_millis(300);

/// A client that asks once, over a connection for each request.
#[derive(Clone)]
pub(super) struct HttpClient {
    pub(super) dial: Arc<dyn Dial>,
    pub(super) endpoint: Endpoint,
}

impl HttpClient {
    fn host(&self) -> String {
        format!("{}:{}", self.endpoint.host, self.endpoint.port)
    }

    async fn connect(&self) -> BoxStream {
        timeout(DEADLINE, self.dial.connect(&self.endpoint)).await.expect("a connection in time").unwrap()
    }

    /// The answer; none where the connection broke before it.
    pub(super) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("host", self.host());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let stream = self.connect().await;
        timeout(DEADLINE, exchange(stream, request)).await.expect("an answer in time").ok()
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_send(method, path, headers, body).await.expect("an answer")
    }

    /// Sends the beginning of a body that would be longer, and hangs up.
    pub(super) async fn break_off(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        begun: &[u8],
        length: usize,
    ) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n",
            self.host()
        );
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(begun).await.unwrap();
        stream.flush().await.unwrap();
        sleep(NOTICED).await;
        drop(stream);
        sleep(NOTICED).await;
    }
}

async fn exchange(stream: BoxStream, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    spawn_local(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// What a registry answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// Empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Path and query of where it points to: registries answer paths or whole URLs.
    #[track_caller]
    pub(super) fn location(&self) -> String {
        let uri: http::Uri = self.header("location").parse().unwrap();
        uri.path_and_query().expect("a path").to_string()
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Fails when it is another one.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Checks that it was refused with this status and this code, and returns the errors.
    #[track_caller]
    pub(super) fn refused(&self, status: u16, code: &str) -> Vec<Value> {
        assert_eq!(self.status, status, "{self:?}");
        let errors = self.json()["errors"].as_array().expect("errors").clone();
        assert_eq!(errors.first().map(|error| &error["code"]), Some(&Value::from(code)), "{errors:?}");
        assert!(errors.iter().all(|error| error["message"].is_string()), "{errors:?}");
        errors
    }
}

/// The digest of these bytes.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
