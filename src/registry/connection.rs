//! How to reach a registry: address, trust, credentials, time limits.

use std::{fmt, net::IpAddr, sync::Arc};

use oci_spec::distribution::Reference;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{credentials::Credentials, error::TransferError, node::Node};
use crate::io::Dial;

/// Everything that is needed to talk to the registry of one image.
#[derive(Clone)]
pub struct Connection {
    image: Reference,
    credentials: Credentials,
    dial: Arc<dyn Dial>,
    plain_http: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, credentials, plain_http, .. } = self;
        f.debug_struct("Connection")
            .field("image", image)
            .field("credentials", credentials)
            .field("plain_http", plain_http)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Checks what can be checked without the network. `ca_pem` is trusted besides the machine's own authorities.
    pub fn new(
        node: &dyn Node,
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
        let authorities = ca_pem.map_or(Ok(Vec::new()), certificates)?;
        let dial = node.dial(&authorities).map_err(|error| TransferError::Options(error.to_string()))?;
        Ok(Self { image, credentials, dial, plain_http })
    }

    /// What opens connections.
    pub(super) fn dial(&self) -> Arc<dyn Dial> {
        self.dial.clone()
    }

    /// Who we are.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Host and port of the registry, for messages.
    pub(super) fn registry(&self) -> &str {
        self.image.resolve_registry()
    }

    /// The image's repository in the registry.
    pub(super) fn repository(&self) -> &str {
        self.image.repository()
    }

    /// By what the image is named: its digest or its tag.
    pub(super) fn named(&self) -> &str {
        self.image.digest().or(self.image.tag()).unwrap_or("latest")
    }

    /// The image's reference by that digest.
    pub(super) fn by_digest(&self, digest: &str) -> String {
        self.image.clone_with_digest(digest.to_owned()).whole()
    }

    /// URL of something in the image's repository.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.origin(), self.repository())
    }

    /// Whether `url` is the registry's own.
    pub(super) fn is_registry(&self, url: &str) -> bool {
        url.strip_prefix(&self.origin()).is_some_and(|path| path.starts_with('/'))
    }

    /// Whether credentials may be sent to `url`.
    pub(super) fn may_see_credentials(&self, url: &str) -> bool {
        url.starts_with("https://") || (self.plain_http && url.starts_with("http://"))
    }

    fn origin(&self) -> String {
        format!("{}://{}", if self.plain_http { "http" } else { "https" }, self.registry())
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
    use crate::registry::node::ThisNode;

    fn connect(image: &str, ca_pem: Option<&[u8]>, plain_http: bool) -> Result<Connection, TransferError> {
        let image = image.parse().expect("a reference");
        Connection::new(&ThisNode, image, Credentials::Anonymous, ca_pem, plain_http)
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
        assert!(remote.is_registry("https://registry.example.com/v2/x/blobs/uploads/1?_state=2"));
        for other in
            ["https://registry.example.com.evil/v2/", "http://registry.example.com/v2/", "https://x/v2/"]
        {
            assert!(!remote.is_registry(other), "{other}");
        }
    }
}
