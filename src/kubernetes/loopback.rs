//! A [`Dial`] whose every connection ends at a scripted HTTP server in this process.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::{FutureExt as _, future, stream};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;

use crate::io::{BoxStream, Dial, Endpoint};

/// What the server does with a request.
pub(super) enum Answer {
    /// It answers.
    Whole(Response<Vec<u8>>),
    /// It sends the head of an answer, and then nothing.
    HeadOnly,
    /// It says nothing.
    Never,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let mut response = Response::new(body.to_string().into_bytes());
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self::Whole(response)
    }
}

type Script = Box<dyn FnMut(Request<Vec<u8>>) -> Answer + Send>;

/// The server, and the record of who dialed it.
#[derive(Clone)]
pub(super) struct Loopback {
    script: Arc<Mutex<Script>>,
    dialed: Arc<Mutex<Vec<Endpoint>>>,
}

impl Loopback {
    pub(super) fn new(script: impl FnMut(Request<Vec<u8>>) -> Answer + Send + 'static) -> Arc<Self> {
        Arc::new(Self { script: Arc::new(Mutex::new(Box::new(script))), dialed: Arc::default() })
    }

    pub(super) fn dialed(&self) -> Vec<Endpoint> {
        lock(&self.dialed).clone()
    }

    async fn answer(self, request: Request<Incoming>) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
        let answer = lock(&self.script)(Request::from_parts(head, body));
        match answer {
            Answer::Whole(response) => {
                Ok(response.map(|body| Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed()))
            }
            Answer::HeadOnly => {
                let silence = stream::once(future::pending::<io::Result<Frame<Bytes>>>());
                Ok(Response::new(BodyExt::boxed(StreamBody::new(silence))))
            }
            Answer::Never => future::pending().await,
        }
    }
}

#[async_trait]
impl Dial for Loopback {
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxStream> {
        lock(&self.dialed).push(endpoint.clone());
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = self.clone();
        let connection = http1::Builder::new().serve_connection(
            TokioIo::new(theirs),
            service_fn(move |request| server.clone().answer(request)),
        );
        tokio::spawn(connection.map(drop));
        Ok(Box::new(ours))
    }

    async fn connect_amqp(
        &self,
        _: lapin::uri::AMQPUri,
        _: lapin::ConnectionProperties,
    ) -> lapin::Result<lapin::Connection> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
