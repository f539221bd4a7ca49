//! Certificates of clients: go-guerrilla's five ways to treat them.
//!
//! *Trust*: a certificate that was not verified says nothing. Its holder has proved to have the key, and that is all; its
//! name is told to nobody.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use super::certificates::certificates;
use super::error::TlsError;
use crate::config::ClientAuth;

/// The verifier for a way to treat clients.
pub(super) fn verifier(
    auth: ClientAuth,
    roots: Option<&Path>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mandatory = match auth {
        ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Request | ClientAuth::RequireAny => {
            let algorithms = provider.signature_verification_algorithms;
            let mandatory = auth == ClientAuth::RequireAny;
            return Ok(Arc::new(Unverified { mandatory, algorithms }));
        }
        ClientAuth::VerifyIfGiven => false,
        ClientAuth::RequireAndVerify => true,
    };
    let store = match roots {
        Some(path) => from_file(path)?,
        None => from_system()?,
    };
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
    if roots.is_none() {
        // The names of all authorities of the system would make every handshake 15 KB longer.
        builder = builder.clear_root_hint_subjects();
    }
    if !mandatory {
        builder = builder.allow_unauthenticated();
    }
    // Only an empty store can fail here, and both sources refuse to give one.
    builder.build().map_err(|error| Error::General(error.to_string()).into())
}

fn from_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, ignored) = store.add_parsable_certificates(certificates(ROOTS, path)?);
    if added == 0 {
        return Err(TlsError::content(ROOTS, path, "no root certificate in it that can be used"));
    }
    if ignored > 0 {
        tracing::warn!("{ROOTS} {}: {ignored} certificates cannot be used", path.display());
    }
    Ok(store)
}

fn from_system() -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(TlsError::NoSystemRoots) } else { Ok(store) }
}

/// Takes any certificate whose key the client has.
#[derive(Debug)]
struct Unverified {
    mandatory: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Unverified {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

const ROOTS: &str = "root_cas_file";
