//! Certificates for the tests of this module.

use std::fs;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::KeyPair;

/// The name that the certificate is for.
pub(in crate::net) const NAME: &str = "mail.example.test";

/// A pair in a directory of its own, and the certificate.
pub(super) fn pair() -> (TempDir, KeyPair, CertificateDer<'static>) {
    pair_for(&[NAME])
}

/// The same for these names.
pub(in crate::net) fn pair_for(names: &[&str]) -> (TempDir, KeyPair, CertificateDer<'static>) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let files = KeyPair {
        certificate_chain: dir.path().join("certificate"),
        private_key: dir.path().join("key"),
    };
    fs::write(&files.certificate_chain, cert.pem()).unwrap();
    fs::write(&files.private_key, signing_key.serialize_pem()).unwrap();
    (dir, files, cert.der().clone())
}

/// A client that takes this certificate for a root.
pub(in crate::net) fn trusting(certificate: CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
