use std::{io, sync::Arc};

use async_trait::async_trait;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{BoxStream, Dial, Endpoint, amqp_kit};

/// [`Dial`] over the machine's sockets, with TLS by rustls.
#[derive(Clone)]
pub struct SocketDial {
    tls: Arc<ClientConfig>,
}

impl SocketDial {
    /// Trusts the certificates that the operating system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are obeyed).
    pub fn system_roots() -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        Self::with_roots(roots)
    }

    /// Trusts `roots` only.
    pub fn with_roots(roots: RootCertStore) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::with_tls(Arc::new(tls)))
    }

    /// Uses a complete TLS configuration, client certificate included.
    pub fn with_tls(tls: Arc<ClientConfig>) -> Self {
        Self { tls }
    }
}

#[async_trait]
impl Dial for SocketDial {
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxStream> {
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        // Every message here is small and somebody waits for it: Nagle's delay would be part of the pause.
        stream.set_nodelay(true)?;
        if !endpoint.tls {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no TLS server name", endpoint.host))
        })?;
        Ok(Box::new(TlsConnector::from(self.tls.clone()).connect(name, stream).await?))
    }

    async fn connect_amqp(
        &self,
        uri: lapin::uri::AMQPUri,
        properties: lapin::ConnectionProperties,
    ) -> lapin::Result<lapin::Connection> {
        amqp_kit::connect(self.clone(), uri, properties).await
    }
}
