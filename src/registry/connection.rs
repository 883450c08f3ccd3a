//! How to reach a registry: address, trust, credentials, time limits.

use std::{net::IpAddr, time::Duration};

use oci_client::{
    Client, Reference,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{credentials::Credentials, error::TransferError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From a request to its answer. The last request of a chunked upload makes some registries read everything again.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);
/// For requests without a body worth mentioning.
const SMALL_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How a layer's bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upload {
    /// In chunks, each its own request; the digest is computed meanwhile.
    Chunked,
    /// In one request, which names the digest at its start: the archive is read twice.
    Monolithic,
}

/// Everything that is needed to talk to the registry of one image.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The image.
    pub(super) image: Reference,
    /// Who we are.
    pub(super) credentials: Credentials,
    roots: Vec<CertificateDer<'static>>,
    plain_http: bool,
}

impl Connection {
    /// Checks what can be checked without the network. `ca_pem` is trusted besides the machine's own authorities.
    pub fn new(
        image: Reference,
        credentials: Credentials,
        ca_pem: Option<&[u8]>,
        plain_http: bool,
    ) -> Result<Self, TransferError> {
        let host = host_of(image.resolve_registry());
        if plain_http && !is_loopback(host) {
            let why = format!("--plain-http is for a registry on this machine, and {host} is not; use TLS");
            return Err(TransferError::Options(why));
        }
        let roots = ca_pem.map_or(Ok(Vec::new()), certificates)?;
        // The clients below build a default trust store even when they need none, and panic without one.
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            let why =
                "no certificate authorities on this machine; install ca-certificates or set SSL_CERT_FILE";
            return Err(TransferError::Options(why.to_owned()));
        }
        // An error only says that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { image, credentials, roots, plain_http })
    }

    /// Host and port of the registry, for messages.
    pub(super) fn registry(&self) -> &str {
        self.image.resolve_registry()
    }

    /// URL of something in the image's repository.
    pub(super) fn url(&self, path: &str) -> String {
        let scheme = if self.plain_http { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}/{path}", self.registry(), self.image.repository())
    }

    /// Whether credentials may be sent to `url`.
    pub(super) fn may_see_credentials(&self, url: &str) -> bool {
        url.starts_with("https://") || (self.plain_http && url.starts_with("http://"))
    }

    /// The credentials as the OCI client takes them.
    pub(super) fn registry_auth(&self) -> RegistryAuth {
        match self.credentials.clone() {
            Credentials::Anonymous => RegistryAuth::Anonymous,
            Credentials::Password { username, password } => RegistryAuth::Basic(username, password),
            Credentials::Token(token) => RegistryAuth::Bearer(token),
        }
    }

    /// A client that pushes.
    pub(super) fn oci_client(&self, upload: Upload) -> Result<Client, TransferError> {
        let roots = self.roots.iter();
        let config = ClientConfig {
            protocol: if self.plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
            use_monolithic_push: upload == Upload::Monolithic,
            extra_root_certificates: roots
                .map(|root| Certificate { encoding: CertificateEncoding::Der, data: root.to_vec() })
                .collect(),
            // It runs from the start of a request, so it would cut a long monolithic upload.
            read_timeout: (upload == Upload::Chunked).then_some(ANSWER_TIMEOUT),
            connect_timeout: Some(CONNECT_TIMEOUT),
            user_agent: concat!("ms2m/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(|error| TransferError::Options(error.to_string()))
    }

    /// A client for what the OCI client cannot do.
    pub(super) fn http_client(&self) -> Result<reqwest::Client, TransferError> {
        let roots: Result<Vec<_>, _> =
            self.roots.iter().map(|root| reqwest::Certificate::from_der(root)).collect();
        roots
            .and_then(|roots| {
                reqwest::Client::builder()
                    .tls_certs_merge(roots)
                    .connect_timeout(CONNECT_TIMEOUT)
                    .timeout(SMALL_REQUEST_TIMEOUT)
                    .user_agent(concat!("ms2m/", env!("CARGO_PKG_VERSION")))
                    .build()
            })
            .map_err(|error| TransferError::Options(error.to_string()))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TransferError> {
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match roots {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(TransferError::Options("--ca-file holds no certificate in PEM form".to_owned())),
    }
}

fn host_of(registry: &str) -> &str {
    if let Some(bracketed) = registry.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    registry.split(':').next().unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(image: &str, ca_pem: Option<&[u8]>, plain_http: bool) -> Result<Connection, TransferError> {
        let image = image.parse().expect("a reference");
        Connection::new(image, Credentials::Anonymous, ca_pem, plain_http)
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for local in ["localhost:5000/x:1", "127.0.0.1:5000/x:1"] {
            assert!(connect(local, None, true).is_ok(), "{local}");
        }
        for remote in ["registry.example.com/x:1", "10.0.0.1:5000/x:1", "localhost.example.com/x:1"] {
            assert!(matches!(connect(remote, None, true), Err(TransferError::Options(_))), "{remote}");
            assert!(connect(remote, None, false).is_ok(), "{remote}");
        }
    }

    #[test]
    fn an_authority_that_is_none_is_refused() {
        let error = connect("registry.example.com/x:1", Some(b"not PEM"), false).expect_err("no certificate");
        assert!(error.to_string().contains("--ca-file"), "{error}");
    }

    #[test]
    fn credentials_do_not_go_out_in_the_clear() {
        let remote = connect("registry.example.com/x:1", None, false).expect("a connection");
        assert!(remote.may_see_credentials("https://auth.example.com/token"));
        assert!(!remote.may_see_credentials("http://registry.example.com/token"));
    }
}
