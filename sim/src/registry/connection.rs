use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderValue, Request,
    header::{HOST, LOCATION},
};
use http_body_util::BodyExt as _;
use hyper::{
    body::{Body as _, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use ms2m_app::io::Stream;
use serde_json::Value;

use super::{
    perform::{Answer, perform, perform_in_part, refused},
    refusal::Refusal,
    request::Target,
    store::Store,
    treat::{Asked, Kind, Treat, Treatment},
};
use crate::network;

/// A connection that a fault or its client breaks.
#[derive(Debug, thiserror::Error)]
#[error("the connection was broken")]
struct Broken;

/// Serves on a port of the simulated host that is running, as [`network::serve`] does.
pub async fn serve(port: u16, store: Arc<Mutex<Store>>, treat: Arc<dyn Treat>) -> turmoil::Result {
    network::serve(port, move |stream| serve_connection(store.clone(), treat.clone(), stream)).await
}

/// Serves one HTTP/1.1 connection until the client or a fault ends it.
pub async fn serve_connection<S: Stream>(store: Arc<Mutex<Store>>, treat: Arc<dyn Treat>, stream: S) {
    let service = service_fn(move |request| answer(store.clone(), treat.clone(), request));
    let mut http = hyper::server::conn::http1::Builder::new();
    // The header would come from the wall clock.
    http.auto_date_header(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(target: "registry", %error, "connection ended");
    }
}

async fn answer(
    store: Arc<Mutex<Store>>,
    treat: Arc<dyn Treat>,
    request: Request<Incoming>,
) -> Result<Answer, Broken> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let target = Target::parse(path);
    let what = target.as_ref().map_or(Kind::Other, |target| target.kind(&parts.method));
    let asked = Asked { method: parts.method.clone(), path: path.to_owned(), what };
    let treatment = treat.treat(&asked);
    tracing::debug!(target: "registry", method = %asked.method, path, ?treatment, "asked");
    if treatment == Treatment::Hang {
        return std::future::pending().await;
    }
    let at_most = match treatment {
        Treatment::BreakInBody => half_of(&body),
        _ => usize::MAX,
    };
    let read = read(body, at_most).await;
    if let (false, Treatment::Refuse { status, code, message }) = (read.is_broken, treatment) {
        return Ok(refused(&Refusal::named(status, code, message, Value::Null)));
    }
    let mut store = lock(&store);
    if read.is_broken || treatment == Treatment::BreakInBody {
        if !matches!(treatment, Treatment::Refuse { .. }) {
            perform_in_part(&mut store, target.as_ref(), &parts, &read.bytes);
        }
        return Err(Broken);
    }
    let mut answer = perform(&mut store, target.as_ref(), &parts, read.bytes);
    if store.settings().whole_locations {
        complete_location(&mut answer, parts.headers.get(HOST));
    }
    if treatment == Treatment::ServeAndBreak { Err(Broken) } else { Ok(answer) }
}

fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What came of a body.
struct Read {
    bytes: Bytes,
    /// The client did not send all of it.
    is_broken: bool,
}

/// Reads a body, or the first bytes of it.
async fn read(mut body: Incoming, at_most: usize) -> Read {
    let mut bytes = BytesMut::new();
    while bytes.len() < at_most {
        match body.frame().await {
            Some(Ok(frame)) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(_)) => return Read { bytes: bytes.freeze(), is_broken: true },
            None => break,
        }
    }
    bytes.truncate(at_most);
    Read { bytes: bytes.freeze(), is_broken: false }
}

/// Of a body that does not say how long it is: one byte.
fn half_of(body: &Incoming) -> usize {
    body.size_hint().exact().map_or(1, |length| usize::try_from(length / 2).unwrap_or(usize::MAX))
}

/// Makes a URL of a location that is a path.
fn complete_location(answer: &mut Answer, host: Option<&HeaderValue>) {
    let host = host.and_then(|host| host.to_str().ok());
    let path = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    if let (Some(host), Some(path)) = (host, path)
        && let Ok(url) = HeaderValue::from_str(&format!("http://{host}{path}"))
    {
        answer.headers_mut().insert(LOCATION, url);
    }
}
