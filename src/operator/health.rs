//! `/healthz` and `/readyz`, for a kubelet's probes.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the operator has seen every migration once, or waits for another that works. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<AtomicBool>);

impl Health {
    pub(super) fn set_ready(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the migrations are listed, or another operator works.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn answer(&self, path: &str) -> (StatusCode, &'static str) {
        match path {
            // That anything answers at all shows that the loop turns.
            "/healthz" => (StatusCode::OK, "ok\n"),
            "/readyz" if self.is_ready() => (StatusCode::OK, "ok\n"),
            "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "the migrations are not listed yet\n"),
            _ => (StatusCode::NOT_FOUND, "there are /healthz and /readyz\n"),
        }
    }
}

/// Answers probes for ever, one connection at a time: kubelets ask rarely and briefly.
///
/// # Errors
/// When the address cannot be listened at.
pub async fn serve(address: SocketAddr, health: Health) -> io::Result<Infallible> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a peer that left in the queue: neither ends the operator.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let health = health.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (status, text) = health.answer(request.uri().path());
            let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
            *response.status_mut() = status;
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a probe was not answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_once_the_migrations_are_listed() {
        let health = Health::default();
        assert_eq!(health.answer("/healthz").0, StatusCode::OK);
        assert_eq!(health.answer("/readyz").0, StatusCode::SERVICE_UNAVAILABLE);
        health.clone().set_ready();
        assert_eq!(health.answer("/readyz").0, StatusCode::OK);
        assert_eq!(health.answer("/metrics").0, StatusCode::NOT_FOUND);
    }
}
