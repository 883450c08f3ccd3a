//! How HTTP clients open connections: by [`Dial`], so that the same stack is in production and in the simulator.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::Uri;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::{
    dialed_stream::DialedStream,
    io::{BoxStream, Dial, Endpoint},
};

/// Opens a stream for a URI.
#[derive(Clone)]
pub(crate) struct DialConnector {
    dial: Arc<dyn Dial>,
    tls: Option<OwnTls>,
}

/// TLS on top of what [`Dial`] opens, where it knows neither whom to trust nor our client certificate.
#[derive(Clone)]
pub(crate) struct OwnTls {
    pub(crate) connector: TlsConnector,
    /// In place of the host's name.
    pub(crate) server_name: Option<String>,
}

impl DialConnector {
    /// Without TLS of its own, [`Dial`]'s is spoken where the URI asks for it.
    pub(crate) fn new(dial: Arc<dyn Dial>, tls: Option<OwnTls>) -> Self {
        Self { dial, tls }
    }

    async fn open(self, uri: Uri) -> io::Result<DialedStream> {
        let asks_for_tls = uri.scheme_str() == Some("https");
        // Brackets belong to the URI's notation of an IPv6 address, not to the address.
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if asks_for_tls { 443 } else { 80 });
        let tls = asks_for_tls && self.tls.is_none();
        let stream = self.dial.connect(&Endpoint { host: host.clone(), port, tls }).await?;
        let Some(OwnTls { connector, server_name }) = self.tls else {
            return Ok(DialedStream::new(stream));
        };
        let name = server_name.unwrap_or(host);
        let name = ServerName::try_from(name.clone()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is no TLS server name"))
        })?;
        let stream: BoxStream = Box::new(connector.connect(name, stream).await?);
        Ok(DialedStream::new(stream))
    }
}

impl tower::Service<Uri> for DialConnector {
    type Response = DialedStream;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<DialedStream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        self.clone().open(uri).boxed()
    }
}
