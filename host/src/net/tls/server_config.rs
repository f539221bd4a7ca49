//! All that is configured about TLS, as rustls wants it.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::{self, Ticketer, cipher_suite as suite, kx_group};
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::certificates::Certificates;
use super::client_auth;
use super::error::TlsError;
use crate::config::{CipherSuite, KeyPair, NamedGroup, Tls, TlsVersion};

/// Reads all files and puts everything together. Sessions of an earlier configuration cannot be resumed in this one: the
/// keys of its tickets are fresh, so that nobody lives on a certificate that has been exchanged or a root that has been
/// withdrawn.
pub(super) fn build(tls: &Tls, pair: &KeyPair) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: cipher_suites(&tls.cipher_suites),
        kx_groups: groups(&tls.groups),
        ..aws_lc_rs::default_provider()
    });
    let pairs = [pair].into_iter().chain(&tls.certificates);
    let certificates = Certificates::load(pairs, &provider)?;
    let verifier = client_auth::verifier(tls.client_auth, tls.client_roots.as_deref(), &provider)?;
    let versions = versions(tls, &provider.cipher_suites);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificates));
    config.ignore_client_order = tls.prefer_server_order;
    // Beside rustls's own cache, which serves clients of TLS 1.2 that do not take tickets.
    config.ticketer = Ticketer::new()?;
    // One is as many as a mail server keeps of its peer.
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn versions(tls: &Tls, suites: &[SupportedCipherSuite]) -> Vec<&'static SupportedProtocolVersion> {
    [(TlsVersion::V1_3, &TLS13), (TlsVersion::V1_2, &TLS12)]
        .into_iter()
        .filter(|(version, _)| (tls.versions.min..=tls.versions.max).contains(version))
        .map(|(_, version)| version)
        .filter(|version| suites.iter().any(|suite| suite.version() == *version))
        .collect()
}

/// The suites in the order of the config; those of TLS 1.3 all, and first, when it names none of them.
fn cipher_suites(chosen: &[CipherSuite]) -> Vec<SupportedCipherSuite> {
    if chosen.is_empty() {
        return USUAL_SUITES.to_vec();
    }
    let mut suites = Vec::new();
    if chosen.iter().all(|suite| suite.version() == TlsVersion::V1_2) {
        suites.extend(USUAL_SUITES.iter().filter(|suite| suite.version() == &TLS13));
    }
    suites.extend(chosen.iter().map(|suite| cipher_suite(*suite)));
    suites
}

fn cipher_suite(chosen: CipherSuite) -> SupportedCipherSuite {
    use CipherSuite as Chosen;
    match chosen {
        Chosen::Aes128GcmSha256 => suite::TLS13_AES_128_GCM_SHA256,
        Chosen::Aes256GcmSha384 => suite::TLS13_AES_256_GCM_SHA384,
        Chosen::Chacha20Poly1305Sha256 => suite::TLS13_CHACHA20_POLY1305_SHA256,
        Chosen::EcdheEcdsaAes128GcmSha256 => suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Chosen::EcdheEcdsaAes256GcmSha384 => suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Chosen::EcdheEcdsaChacha20Poly1305 => suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        Chosen::EcdheRsaAes128GcmSha256 => suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        Chosen::EcdheRsaAes256GcmSha384 => suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        Chosen::EcdheRsaChacha20Poly1305 => suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    }
}

fn groups(chosen: &[NamedGroup]) -> Vec<&'static dyn SupportedKxGroup> {
    let chosen = if chosen.is_empty() { USUAL_GROUPS } else { chosen };
    let group = |group: &NamedGroup| match group {
        NamedGroup::P256 => kx_group::SECP256R1,
        NamedGroup::P384 => kx_group::SECP384R1,
        NamedGroup::X25519 => kx_group::X25519,
        NamedGroup::X25519MlKem768 => kx_group::X25519MLKEM768,
    };
    chosen.iter().map(group).collect()
}

/// Go's order, which is what clients of go-guerrilla got whatever its config said. The hash of a suite is that of the whole handshake's
/// keys, and few processors have instructions for SHA-384: with it a handshake costs up to a fifth more.
const USUAL_SUITES: &[SupportedCipherSuite] = &[
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS13_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// The hybrid first: mail that is recorded today is not to be read when quantum computers have come.
const USUAL_GROUPS: &[NamedGroup] =
    &[NamedGroup::X25519MlKem768, NamedGroup::X25519, NamedGroup::P256, NamedGroup::P384];
