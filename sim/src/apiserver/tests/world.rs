//! A server and real `kube` clients of it in one process: over memory, so that time can be paused and leaps.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use http::{HeaderValue, Uri};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::{TokioExecutor, TokioIo},
};
use jiff::{SignedDuration, Timestamp};
use kube::client::{ClientBuilder, ConfigExt as _};
use ms2m_app::io::{BoxStream, Clock, Dial, Endpoint};
use tokio::{io::DuplexStream, time::Instant};
use tower::ServiceBuilder;

use crate::apiserver::{ApiServer, Settings, serve_connection};

/// Wall-clock time that follows tokio's, and so can be paused and advanced.
pub(crate) struct TokioClock {
    began: Instant,
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        start.checked_add(SignedDuration::try_from(self.began.elapsed()).unwrap()).unwrap()
    }
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock { began: Instant::now() })
}

/// For servers that reach nobody.
pub(crate) struct NoDial;

#[async_trait]
impl Dial for NoDial {
    async fn connect(&self, _: &Endpoint) -> io::Result<BoxStream> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    async fn connect_amqp(
        &self,
        _: lapin::uri::AMQPUri,
        _: lapin::ConnectionProperties,
    ) -> lapin::Result<lapin::Connection> {
        Err(lapin::Error::from(io::Error::from(io::ErrorKind::Unsupported)))
    }
}

/// A server with running controllers.
pub(crate) fn server() -> ApiServer {
    server_with(Arc::new(NoDial))
}

pub(crate) fn server_with(dial: Arc<dyn Dial>) -> ApiServer {
    server_at(clock(), dial)
}

pub(crate) fn server_at(clock: Arc<dyn Clock>, dial: Arc<dyn Dial>) -> ApiServer {
    let server = ApiServer::new(clock, dial, Settings { seed: 1, ..Settings::default() });
    tokio::spawn(server.clone().run_controllers());
    server
}

/// A client that calls itself `test`.
pub(crate) fn client(server: &ApiServer) -> kube::Client {
    client_named(server, "test")
}

/// The stack that `kube` builds, over memory in the place of TCP.
pub(crate) fn client_named(server: &ApiServer, user_agent: &'static str) -> kube::Client {
    let config = kube::Config::new(Uri::from_static("http://api"));
    let http = hyper_util::client::legacy::Builder::new(TokioExecutor::new()).build(Memory(server.clone()));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .map_request(move |mut request: http::Request<kube::client::Body>| {
            request.headers_mut().insert(http::header::USER_AGENT, HeaderValue::from_static(user_agent));
            request
        })
        .map_err(tower::BoxError::from)
        .service(http);
    ClientBuilder::new(service, "default").build()
}

#[derive(Clone)]
struct Memory(ApiServer);

impl tower::Service<Uri> for Memory {
    type Response = MemoryStream;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<MemoryStream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(serve_connection(self.0.clone(), far));
        Box::pin(async { Ok(MemoryStream(TokioIo::new(near))) })
    }
}

struct MemoryStream(TokioIo<DuplexStream>);

impl Connection for MemoryStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for MemoryStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Waits until `look` finds something; fails the test after a long virtual time.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..20_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never happened: {what}");
}

/// The API error in a client's error.
pub(crate) fn status(error: &kube::Error) -> &kube::core::Status {
    match error {
        kube::Error::Api(status) => status,
        other => panic!("no answer of the API server: {other:?}"),
    }
}
