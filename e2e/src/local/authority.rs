use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

use super::network::HUB;

/// A certificate authority for one run, and the certificate of its servers, which are all at one address.
pub(crate) struct Authority {
    /// The authority's certificate.
    pub(crate) pem: String,
    /// The same as a file.
    pub(crate) file: PathBuf,
    /// The servers' certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// The public half of it.
    pub(crate) public_key: PathBuf,
}

impl Authority {
    /// Makes both, and writes them below `work`.
    pub(crate) fn new(work: &Path) -> anyhow::Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "ms2m end-to-end run");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let key = KeyPair::generate()?;
        let mut server = CertificateParams::default();
        server.distinguished_name.push(DnType::CommonName, "servers");
        server.subject_alt_names.push(SanType::IpAddress(HUB.parse::<IpAddr>()?));
        let certificate = server.signed_by(&key, &issuer)?;

        let this = Self {
            pem: authority_certificate.pem(),
            file: work.join("ca.crt"),
            certificate: work.join("servers.crt"),
            key: work.join("servers.key"),
            public_key: work.join("servers.pub"),
        };
        fs::write(&this.file, &this.pem)?;
        fs::write(&this.certificate, certificate.pem())?;
        fs::write(&this.key, key.serialize_pem())?;
        fs::write(&this.public_key, key.public_key_pem())?;
        Ok(this)
    }

    /// Accepts connections with the servers' certificate.
    pub(crate) fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let certificates =
            CertificateDer::pem_file_iter(&self.certificate)?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&self.key)?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
