//! The names that go-guerrilla gives to protocols, cipher suites, curves and client checks, and what
//! is left of them.
//!
//! Everything without forward secrecy or authenticated encryption is gone from the TLS library in
//! use, and rightly so. Such a name is known here all the same, so that it can be told from a slip
//! of the pen.

/// A TLS version that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// A cipher suite that can be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CipherSuite {
    /// TLS 1.3.
    Aes128GcmSha256,
    /// TLS 1.3.
    Aes256GcmSha384,
    /// TLS 1.3.
    Chacha20Poly1305Sha256,
    /// TLS 1.2, ECDSA certificate.
    EcdheEcdsaAes128GcmSha256,
    /// TLS 1.2, ECDSA certificate.
    EcdheEcdsaAes256GcmSha384,
    /// TLS 1.2, ECDSA certificate.
    EcdheEcdsaChacha20Poly1305,
    /// TLS 1.2, RSA certificate.
    EcdheRsaAes128GcmSha256,
    /// TLS 1.2, RSA certificate.
    EcdheRsaAes256GcmSha384,
    /// TLS 1.2, RSA certificate.
    EcdheRsaChacha20Poly1305,
}

/// A key exchange group that can be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamedGroup {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// Curve25519.
    X25519,
    /// Curve25519 with ML-KEM-768: safe from tomorrow's quantum computers, too.
    X25519MlKem768,
}

/// What is asked of a client about its own certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// Nothing (`NoClientCert`).
    #[default]
    None,
    /// Asked for, taken unverified (`RequestClientCert`): its name is told to nobody.
    Request,
    /// Demanded, taken unverified (`RequireAnyClientCert`): its name is told to nobody.
    RequireAny,
    /// Asked for, verified when it comes (`VerifyClientCertIfGiven`).
    VerifyIfGiven,
    /// Demanded and verified (`RequireAndVerifyClientCert`).
    RequireAndVerify,
}

/// What a name stands for: `None` is known and not offered any more.
pub(super) type Names<T> = [(&'static str, Option<T>)];

/// Looks a name up; case does not count. The outer `None` is a name that nobody knows.
pub(super) fn find<T: Copy>(names: &Names<T>, name: &str) -> Option<Option<T>> {
    names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, meant)| *meant)
}

pub(super) const VERSIONS: &Names<TlsVersion> = &[
    ("ssl3.0", None),
    ("tls1.0", None),
    ("tls1.1", None),
    ("tls1.2", Some(TlsVersion::V1_2)),
    ("tls1.3", Some(TlsVersion::V1_3)),
];

impl CipherSuite {
    /// The version it belongs to.
    pub(crate) const fn version(self) -> TlsVersion {
        match self {
            Self::Aes128GcmSha256 | Self::Aes256GcmSha384 | Self::Chacha20Poly1305Sha256 => {
                TlsVersion::V1_3
            }
            _ => TlsVersion::V1_2,
        }
    }
}

pub(super) const CIPHER_SUITES: &Names<CipherSuite> = &[
    ("TLS_AES_128_GCM_SHA256", Some(CipherSuite::Aes128GcmSha256)),
    ("TLS_AES_256_GCM_SHA384", Some(CipherSuite::Aes256GcmSha384)),
    ("TLS_CHACHA20_POLY1305_SHA256", Some(CipherSuite::Chacha20Poly1305Sha256)),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Some(CipherSuite::EcdheEcdsaAes128GcmSha256)),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Some(CipherSuite::EcdheEcdsaAes256GcmSha384)),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", Some(CipherSuite::EcdheEcdsaChacha20Poly1305)),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Some(CipherSuite::EcdheRsaAes128GcmSha256)),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Some(CipherSuite::EcdheRsaAes256GcmSha384)),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", Some(CipherSuite::EcdheRsaChacha20Poly1305)),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", None),
    ("TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_RC4_128_SHA", None),
    ("TLS_FALLBACK_SCSV", None),
    ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", None),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", None),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", None),
    ("TLS_RSA_WITH_RC4_128_SHA", None),
];

pub(super) const CURVES: &Names<NamedGroup> = &[
    ("P256", Some(NamedGroup::P256)),
    ("P384", Some(NamedGroup::P384)),
    ("P521", None),
    ("X25519", Some(NamedGroup::X25519)),
    // Younger than go-guerrilla; Go's name.
    ("X25519MLKEM768", Some(NamedGroup::X25519MlKem768)),
];

pub(super) const CLIENT_AUTH: &Names<ClientAuth> = &[
    ("NoClientCert", Some(ClientAuth::None)),
    ("RequestClientCert", Some(ClientAuth::Request)),
    ("RequireAnyClientCert", Some(ClientAuth::RequireAny)),
    ("VerifyClientCertIfGiven", Some(ClientAuth::VerifyIfGiven)),
    ("RequireAndVerifyClientCert", Some(ClientAuth::RequireAndVerify)),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn unique<T>(names: &Names<T>) -> usize {
        names.iter().map(|(name, _)| name.to_lowercase()).collect::<HashSet<_>>().len()
    }

    #[test]
    fn every_name_of_go_guerrilla_is_known_once() {
        assert_eq!((unique(VERSIONS), VERSIONS.len()), (5, 5));
        assert_eq!((unique(CIPHER_SUITES), CIPHER_SUITES.len()), (26, 26));
        assert_eq!((unique(CURVES), CURVES.len()), (5, 5));
        assert_eq!((unique(CLIENT_AUTH), CLIENT_AUTH.len()), (5, 5));
    }

    #[test]
    fn case_does_not_count() {
        assert_eq!(find(CURVES, "x25519"), Some(Some(NamedGroup::X25519)));
        assert_eq!(find(CURVES, "p521"), Some(None));
        assert_eq!(find(CURVES, "P-256"), None);
    }
}
