//! What a handshake has agreed on, in words.

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{CipherSuite, ProtocolVersion, ServerConnection};
use x509_cert::der::Decode;

use crate::mail::TlsFacts;

/// The facts of a session; the client's name only when its certificate has been verified.
pub(super) fn facts(session: &ServerConnection, verified: bool) -> TlsFacts {
    let certificate = session.peer_certificates().filter(|_| verified).and_then(<[_]>::first);
    TlsFacts {
        version: session.protocol_version().map(version).unwrap_or_default().to_owned(),
        cipher: session
            .negotiated_cipher_suite()
            .map(|suite| iana_name(suite.suite()))
            .unwrap_or_default(),
        client: certificate.and_then(subject),
        sni: session.server_name().map(str::to_owned),
    }
}

fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        // Nothing else is offered.
        _ => "TLS",
    }
}

/// rustls writes `TLS13_` where the registry has `TLS_`.
fn iana_name(suite: CipherSuite) -> String {
    let name = suite.as_str().unwrap_or_default();
    name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}

/// The subject as RFC 4514 writes it (`CN=mx.example.com,O=Example`), special characters escaped. The outermost layers are
/// enough of the certificate: it has been verified as a whole.
fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let subject = certificate.tbs_certificate().subject();
    (!subject.is_empty()).then(|| subject.to_string())
}
