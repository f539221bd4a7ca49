//! `servers[].tls`, checked. Files are named here and not opened: what is in them is settled where
//! they are used.
//!
//! Differences from go-guerrilla: a name that nobody knows is an error (it was ignored), one that is
//! too old is left out with a warning, and the files of a server without TLS are not looked for.

use std::path::PathBuf;

use super::closest::closest;
use super::problem::Findings;
use super::raw::RawTls;
use super::tls_names::{
    CIPHER_SUITES, CLIENT_AUTH, CURVES, CipherSuite, ClientAuth, NamedGroup, Names, TlsVersion,
    VERSIONS, find,
};

/// How a server speaks TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whether and when.
    pub mode: TlsMode,
    /// The versions offered.
    pub versions: TlsVersions,
    /// The suites offered; empty for the library's choice. In go-guerrilla the list governs TLS 1.2
    /// alone: when it names no suite of TLS 1.3, all of those remain.
    pub cipher_suites: Vec<CipherSuite>,
    /// The key exchange groups offered; empty for the library's choice.
    pub groups: Vec<NamedGroup>,
    /// PEM file with the roots for client certificates; `None` for the system's.
    pub client_roots: Option<PathBuf>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// Whether our order of suites goes before the client's.
    pub prefer_server_order: bool,
}

/// When TLS starts on a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    #[default]
    Off,
    /// When the client says STARTTLS (`start_tls_on`).
    StartTls(KeyPair),
    /// With the first byte (`tls_always_on`, which goes before `start_tls_on`).
    Always(KeyPair),
}

/// The server's own certificate and key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// `public_key_file`.
    pub certificate_chain: PathBuf,
    /// `private_key_file`.
    pub private_key: PathBuf,
}

/// A range of TLS versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsVersions {
    /// The lowest offered.
    pub min: TlsVersion,
    /// The highest offered, not below `min`.
    pub max: TlsVersion,
}

impl Default for TlsVersions {
    fn default() -> Self {
        Self { min: TlsVersion::V1_2, max: TlsVersion::V1_3 }
    }
}

impl Tls {
    /// `at` is the path of the server.
    pub(super) fn check(raw: RawTls, at: &str, findings: &mut Findings) -> Self {
        let at = format!("{at}.tls");
        Self {
            mode: mode(&raw, &at, findings),
            versions: versions(
                &raw.protocols.unwrap_or_default(),
                format!("{at}.protocols"),
                findings,
            ),
            cipher_suites: offered(CIPHER_SUITES, raw.ciphers, format!("{at}.ciphers"), findings),
            groups: offered(CURVES, raw.curves, format!("{at}.curves"), findings),
            client_roots: raw.root_cas_file.filter(|path| !path.is_empty()).map(PathBuf::from),
            client_auth: client_auth(
                raw.client_auth_type,
                format!("{at}.client_auth_type"),
                findings,
            ),
            prefer_server_order: raw.prefer_server_cipher_suites.unwrap_or(false),
        }
    }
}

fn mode(raw: &RawTls, at: &str, findings: &mut Findings) -> TlsMode {
    let always = raw.tls_always_on.unwrap_or(false);
    if !always && !raw.start_tls_on.unwrap_or(false) {
        return TlsMode::Off;
    }
    let mut file = |key: &str, path: &Option<String>| {
        let at = format!("{at}.{key}");
        match path.as_deref() {
            None | Some("") if findings.has_error_at(&at) => {}
            None | Some("") => {
                findings.error(at, "required because TLS is on, give the path of a PEM file")
            }
            Some(_) => {}
        }
        PathBuf::from(path.as_deref().unwrap_or_default())
    };
    let pair = KeyPair {
        certificate_chain: file("public_key_file", &raw.public_key_file),
        private_key: file("private_key_file", &raw.private_key_file),
    };
    if always { TlsMode::Always(pair) } else { TlsMode::StartTls(pair) }
}

/// `[lowest, highest]`, or the lowest alone.
fn versions(protocols: &[String], at: String, findings: &mut Findings) -> TlsVersions {
    let every = TlsVersions::default();
    if protocols.len() > 2 {
        let count = protocols.len();
        findings.error(at, format!("expected [lowest, highest], found {count} names"));
        return every;
    }
    let mut raised = Vec::new();
    let mut version = |index: usize, left_out: TlsVersion| {
        let Some(name) = protocols.get(index) else { return left_out };
        match find(VERSIONS, name) {
            Some(Some(version)) => version,
            Some(None) => {
                raised.push(name.as_str());
                TlsVersion::V1_2
            }
            None => {
                findings.error(format!("{at}[{index}]"), unknown(VERSIONS, name));
                left_out
            }
        }
    };
    let versions = TlsVersions { min: version(0, every.min), max: version(1, every.max) };
    if !raised.is_empty() {
        let names = raised.join(", ");
        findings.warn(&*at, format!("not offered any more and taken as tls1.2: {names}"));
    }
    if versions.min > versions.max {
        findings.error(at, "the lowest comes first: write [\"tls1.2\", \"tls1.3\"]");
        return every;
    }
    versions
}

/// The names of a list that can be offered, in their order.
fn offered<T: Copy + PartialEq>(
    names: &Names<T>,
    list: Option<Vec<String>>,
    at: String,
    findings: &mut Findings,
) -> Vec<T> {
    let list = list.unwrap_or_default();
    let mut offered = Vec::new();
    let mut lacking = Vec::new();
    for (index, name) in list.iter().enumerate() {
        match find(names, name) {
            Some(Some(item)) if offered.contains(&item) => {}
            Some(Some(item)) => offered.push(item),
            Some(None) => lacking.push(name.as_str()),
            None => findings.error(format!("{at}[{index}]"), unknown(names, name)),
        }
    }
    if !lacking.is_empty() {
        let rest = if offered.is_empty() { "; nothing remains, so the usual ones are" } else { "" };
        findings.warn(at, format!("not offered any more: {}{rest}", lacking.join(", ")));
    }
    offered
}

fn client_auth(name: Option<String>, at: String, findings: &mut Findings) -> ClientAuth {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return ClientAuth::default() };
    find(CLIENT_AUTH, &name).flatten().unwrap_or_else(|| {
        findings.error(at, unknown(CLIENT_AUTH, &name));
        ClientAuth::default()
    })
}

fn unknown<T>(names: &Names<T>, name: &str) -> String {
    let all = || names.iter().map(|(known, _)| *known);
    match closest(name, all()) {
        Some(meant) => format!("unknown name {name:?}; did you mean {meant:?}?"),
        None if names.len() <= 5 => {
            format!("unknown name {name:?}; known are {}", all().collect::<Vec<_>>().join(", "))
        }
        None => format!("unknown name {name:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// The result with errors and warnings as lines.
    fn check(raw: RawTls) -> (Tls, Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let tls = Tls::check(raw, "servers[0]", &mut findings);
        let lines = |problems: Vec<super::super::Problem>| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        (tls, lines(findings.errors), lines(findings.warnings))
    }

    #[test]
    fn without_keys_tls_is_off_and_all_else_is_the_default() {
        assert_eq!(check(RawTls::default()), (Tls::default(), vec![], vec![]));
    }

    #[test]
    fn tls_needs_its_files() {
        let raw = RawTls {
            start_tls_on: Some(true),
            private_key_file: Some(String::new()),
            ..RawTls::default()
        };
        let (_, errors, _) = check(raw);
        let required = "required because TLS is on, give the path of a PEM file";
        assert_eq!(
            errors,
            [
                format!("servers[0].tls.public_key_file: {required}"),
                format!("servers[0].tls.private_key_file: {required}"),
            ]
        );
    }

    #[test]
    fn always_goes_before_starttls() {
        let raw = |start, always| RawTls {
            start_tls_on: Some(start),
            tls_always_on: Some(always),
            private_key_file: Some("k".to_owned()),
            public_key_file: Some("c".to_owned()),
            ..RawTls::default()
        };
        let pair = || KeyPair { certificate_chain: "c".into(), private_key: "k".into() };
        for (start, always, expected) in [
            (false, false, TlsMode::Off),
            (true, false, TlsMode::StartTls(pair())),
            (false, true, TlsMode::Always(pair())),
            (true, true, TlsMode::Always(pair())),
        ] {
            let (tls, errors, warnings) = check(raw(start, always));
            assert_eq!((tls.mode, errors, warnings), (expected, vec![], vec![]));
        }
    }

    #[test]
    fn protocols_are_a_range() {
        use TlsVersion::{V1_2, V1_3};
        let range = |min, max| TlsVersions { min, max };
        let raised = |names| {
            vec![format!(
                "servers[0].tls.protocols: not offered any more and taken as tls1.2: {names}"
            )]
        };
        for (names, expected, warnings) in [
            (&[][..], range(V1_2, V1_3), vec![]),
            (&["tls1.3"], range(V1_3, V1_3), vec![]),
            (&["TLS1.2", "tls1.2"], range(V1_2, V1_2), vec![]),
            (&["tls1.0", "tls1.2"], range(V1_2, V1_2), raised("tls1.0")),
            (&["ssl3.0", "tls1.1"], range(V1_2, V1_2), raised("ssl3.0, tls1.1")),
        ] {
            let (tls, errors, found) =
                check(RawTls { protocols: strings(names), ..RawTls::default() });
            assert_eq!((tls.versions, errors, found), (expected, vec![], warnings), "{names:?}");
        }
        for (names, error) in [
            (
                &["tls1.3", "tls1.2"][..],
                "servers[0].tls.protocols: the lowest comes first: write [\"tls1.2\", \"tls1.3\"]",
            ),
            (
                &["tls1.2", "tls1.3", "x"],
                "servers[0].tls.protocols: expected [lowest, highest], found 3 names",
            ),
            (
                &["tls12"],
                "servers[0].tls.protocols[0]: unknown name \"tls12\"; did you mean \"tls1.2\"?",
            ),
            (
                &["tls1.2", "quic"],
                "servers[0].tls.protocols[1]: unknown name \"quic\"; known are ssl3.0, tls1.0, tls1.1, tls1.2, tls1.3",
            ),
        ] {
            let (_, errors, _) = check(RawTls { protocols: strings(names), ..RawTls::default() });
            assert_eq!(errors, [error]);
        }
    }

    #[test]
    fn names_too_old_are_left_out_and_unknown_ones_refused() {
        let (tls, errors, warnings) = check(RawTls {
            ciphers: strings(&[
                "TLS_RSA_WITH_RC4_128_SHA",
                "tls_ecdhe_rsa_with_aes_128_gcm_sha256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_FALLBACK_SCSV",
                "TLS_AES_256_GCM_SHA348",
                "AES",
            ]),
            curves: strings(&["P521"]),
            client_auth_type: Some("RequireAny".to_owned()),
            ..RawTls::default()
        });
        assert_eq!(tls.cipher_suites, [CipherSuite::EcdheRsaAes128GcmSha256]);
        assert_eq!(tls.groups, []);
        assert_eq!(
            warnings,
            [
                "servers[0].tls.ciphers: not offered any more: TLS_RSA_WITH_RC4_128_SHA, TLS_FALLBACK_SCSV",
                "servers[0].tls.curves: not offered any more: P521; nothing remains, so the usual ones are",
            ]
        );
        assert_eq!(
            errors,
            [
                "servers[0].tls.ciphers[4]: unknown name \"TLS_AES_256_GCM_SHA348\"; did you mean \"TLS_AES_256_GCM_SHA384\"?",
                "servers[0].tls.ciphers[5]: unknown name \"AES\"",
                "servers[0].tls.client_auth_type: unknown name \"RequireAny\"; known are NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert",
            ]
        );
    }
}
