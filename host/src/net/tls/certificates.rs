//! The server's certificates: read from PEM files, chosen by the name that a client asks for.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};

use super::error::{TlsError, read};
use super::validity::warn_of_dates;
use crate::config::KeyPair;

/// The pairs of a server, the main one first.
#[derive(Debug)]
pub(super) struct Certificates(Vec<Arc<CertifiedKey>>);

impl Certificates {
    /// Reads all of them.
    pub(super) fn load<'a>(
        pairs: impl Iterator<Item = &'a KeyPair>,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        pairs.map(|pair| load(pair, provider).map(Arc::new)).collect::<Result<_, _>>().map(Self)
    }
}

/// Warns of certificates whose time is over or nearly so, in files that have not changed for long.
pub(super) fn look_at_dates<'a>(pairs: impl Iterator<Item = &'a KeyPair>) {
    for pair in pairs {
        if let Ok(chain) = certificates(CERTIFICATE, &pair.certificate_chain) {
            warn_of_dates(CERTIFICATE, &pair.certificate_chain, &chain, SystemTime::now());
        }
    }
}

impl ResolvesServerCert for Certificates {
    /// The first pair that is for the name asked for; without a name, or when none is for it, the first. Passed over are
    /// those whose kind of key the client does not know: an RSA and an ECDSA pair may stand side by side.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable = || {
            self.0.iter().filter(|pair| pair.key.choose_scheme(hello.signature_schemes()).is_some())
        };
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| usable().find(|pair| is_for(pair, &name)));
        named.or_else(|| usable().next()).map(Arc::clone)
    }
}

/// Whether a certificate is for a name, wildcards included (RFC 9525; subject alternative names only).
fn is_for(pair: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = pair.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

fn load(pair: &KeyPair, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(CERTIFICATE, &pair.certificate_chain)?;
    let key = private_key(&pair.private_key)?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| {
        TlsError::content(KEY, &pair.private_key, format!("no key that can be used: {error}"))
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            warn_of_dates(CERTIFICATE, &pair.certificate_chain, &certified.cert, SystemTime::now());
            Ok(certified)
        }
        Err(Error::InconsistentKeys(_)) => Err(TlsError::Mismatch {
            certificate: pair.certificate_chain.clone(),
            key: pair.private_key.clone(),
        }),
        Err(error) => Err(TlsError::content(
            CERTIFICATE,
            &pair.certificate_chain,
            format!("no certificate that can be used: {error}"),
        )),
    }
}

/// All certificates of a PEM file, at least one.
pub(super) fn certificates(
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(key, path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::content(key, path, format!("not well-formed PEM: {error}")))?;
    if found.is_empty() {
        return Err(TlsError::content(
            key,
            path,
            "no certificate in it; a PEM file with BEGIN CERTIFICATE is expected",
        ));
    }
    Ok(found)
}

/// The first key of a PEM file: PKCS#8, PKCS#1 or SEC1.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read(KEY, path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
        let reason = if encrypted.iter().any(|mark| memchr::memmem::find(&pem, mark).is_some()) {
            "the key is encrypted; write it out in the clear with: openssl pkey -in FILE -out NEWFILE".to_owned()
        } else if matches!(error, pem::Error::NoItemsFound) {
            "no private key in it; a PEM file with BEGIN PRIVATE KEY, BEGIN RSA PRIVATE KEY or BEGIN EC PRIVATE KEY is expected"
                .to_owned()
        } else {
            format!("not well-formed PEM: {error}")
        };
        TlsError::content(KEY, path, reason)
    })
}

const CERTIFICATE: &str = "public_key_file";
const KEY: &str = "private_key_file";
