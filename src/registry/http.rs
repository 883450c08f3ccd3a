//! HTTP whose every byte goes through [`Dial`]: the same stack in production and in the simulator. A client that only knows sockets
//! (reqwest, and the OCI client that is built on it) could not be simulated.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_timeout::TimeoutConnector;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::BoxError;

use crate::{dial_connector::DialConnector, io::Dial};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two bytes that the other side takes.
const STALL_TIMEOUT: Duration = Duration::from_mins(1);
/// From the last byte of a request to its answer. The last request of an upload makes some registries read everything again.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);

/// What a request carries.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A client for registries and their token servers.
#[derive(Clone)]
pub(super) struct Http(Client<TimeoutConnector<DialConnector>, Body>);

/// The bytes that a request was to carry could not be read: the disk fails, and not the network.
#[derive(Debug)]
pub(super) struct UnreadBody(pub(super) io::Error);

impl fmt::Display for UnreadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what was to be sent could not be read: {}", self.0)
    }
}

impl Error for UnreadBody {}

impl Http {
    /// Spawns tasks, so it is used inside a runtime.
    pub(super) fn new(dial: Arc<dyn Dial>) -> Self {
        let mut connector = TimeoutConnector::new(DialConnector::new(dial, None));
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_write_timeout(Some(STALL_TIMEOUT));
        connector.set_read_timeout(Some(ANSWER_TIMEOUT));
        // Nothing is read while a large body is written.
        connector.set_reset_reader_on_write(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// The head of the answer. Nothing is repeated.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, BoxError> {
        Ok(self.0.request(request).await?)
    }
}

/// Nothing at all.
pub(super) fn empty() -> Body {
    whole(Bytes::new())
}

/// All of it at once.
pub(super) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// Piece by piece.
pub(super) fn pieces(bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    let frames = bytes.map_ok(Frame::data).map_err(|error| UnreadBody(error).into());
    StreamBody::new(frames).boxed_unsync()
}
