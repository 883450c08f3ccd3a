use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

use super::network::HUB;

/// A certificate authority for one run, and the registry's certificate from it.
pub(crate) struct Authority {
    /// The authority's certificate.
    pub(crate) pem: String,
    /// The same as a file.
    pub(crate) file: PathBuf,
    /// The registry's certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
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
        server.distinguished_name.push(DnType::CommonName, "registry");
        server.subject_alt_names.push(SanType::IpAddress(HUB.parse::<IpAddr>()?));
        let certificate = server.signed_by(&key, &issuer)?;

        let this = Self {
            pem: authority_certificate.pem(),
            file: work.join("ca.crt"),
            certificate: work.join("registry.crt"),
            key: work.join("registry.key"),
        };
        fs::write(&this.file, &this.pem)?;
        fs::write(&this.certificate, certificate.pem())?;
        fs::write(&this.key, key.serialize_pem())?;
        Ok(this)
    }
}
