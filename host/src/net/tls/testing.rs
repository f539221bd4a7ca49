//! Certificates for the tests of this module.

use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::config::KeyPair;

/// The name that the certificate is for.
pub(super) const NAME: &str = "mail.example.test";

/// A pair in a directory of its own, and the certificate.
pub(super) fn pair() -> (TempDir, KeyPair, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let files = KeyPair {
        certificate_chain: dir.path().join("certificate"),
        private_key: dir.path().join("key"),
    };
    fs::write(&files.certificate_chain, cert.pem()).unwrap();
    fs::write(&files.private_key, signing_key.serialize_pem()).unwrap();
    (dir, files, cert.der().clone())
}
