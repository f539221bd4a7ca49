//! `servers[].tls`, checked. Files are named here and not opened: what is in them is settled where
//! they are used.
//!
//! Differences from go-guerrilla: a name that nobody knows is an error (it was ignored), one that is
//! too old is left out with a warning, the files of a server without TLS are not looked for, and no
//! client is asked for a certificate when neither `client_auth_type` nor `root_cas_file` is given: mail
//! servers like to show a self-signed one, and lost the connection by it.

use std::path::PathBuf;
use std::time::Duration;

use super::closest::closest;
use super::duration;
use super::problem::Findings;
use super::raw::RawTls;
use super::tls_names::{
    CIPHER_SUITES, CLIENT_AUTH, CURVES, CipherSuite, ClientAuth, NamedGroup, Names, TlsVersion,
    VERSIONS, find,
};

/// How a server speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether and when.
    pub mode: TlsMode,
    /// Further pairs; which one a client gets is settled by the name that it asks for.
    pub certificates: Vec<KeyPair>,
    /// How often the files are looked at for a change (`certificate_check_interval`, a minute);
    /// `None` for never (`0s`).
    pub check_interval: Option<Duration>,
    /// Whether mail is taken over TLS only (`tls_required`; 530 before STARTTLS).
    pub required: bool,
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
    /// Whether our order of suites goes before the client's (`prefer_server_cipher_suites`), as it does in Go since 1.17 in any case.
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

impl TlsMode {
    /// The server's main pair.
    pub(crate) fn pair(&self) -> Option<&KeyPair> {
        match self {
            Self::Off => None,
            Self::StartTls(pair) | Self::Always(pair) => Some(pair),
        }
    }
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

impl Default for Tls {
    fn default() -> Self {
        Self {
            mode: TlsMode::default(),
            certificates: Vec::new(),
            check_interval: Some(USUAL_CHECK_INTERVAL),
            required: false,
            versions: TlsVersions::default(),
            cipher_suites: Vec::new(),
            groups: Vec::new(),
            client_roots: None,
            client_auth: ClientAuth::default(),
            prefer_server_order: true,
        }
    }
}

impl Tls {
    /// `at` is the path of the server.
    pub(super) fn check(raw: RawTls, at: &str, findings: &mut Findings) -> Self {
        let at = format!("{at}.tls");
        let mode = mode(&raw, &at, findings);
        let certificates = raw.certificates.unwrap_or_default().into_iter().map(|pair| {
            key_pair(&pair.public_key_file, &pair.private_key_file, &pair.at, findings)
        });
        let certificates = certificates.collect();
        let required = raw.tls_required.unwrap_or(false);
        if required && mode == TlsMode::Off {
            findings.error(format!("{at}.tls_required"), "TLS is off; set start_tls_on");
        }
        let versions =
            versions(&raw.protocols.unwrap_or_default(), format!("{at}.protocols"), findings);
        let cipher_suites = offered(CIPHER_SUITES, raw.ciphers, format!("{at}.ciphers"), findings);
        suites_for(versions, &cipher_suites, format!("{at}.ciphers"), findings);
        let client_roots = raw.root_cas_file.filter(|path| !path.is_empty()).map(PathBuf::from);
        let client_auth = client_auth(raw.client_auth_type, client_roots.is_some(), &at, findings);
        Self {
            mode,
            certificates,
            check_interval: check_interval(raw.certificate_check_interval, &at, findings),
            required,
            versions,
            cipher_suites,
            groups: offered(CURVES, raw.curves, format!("{at}.curves"), findings),
            client_roots,
            client_auth,
            prefer_server_order: raw.prefer_server_cipher_suites.unwrap_or(true),
        }
    }
}

/// How often the files of certificates are looked at.
const USUAL_CHECK_INTERVAL: Duration = Duration::from_secs(60);

fn mode(raw: &RawTls, at: &str, findings: &mut Findings) -> TlsMode {
    let always = raw.tls_always_on.unwrap_or(false);
    if !always && !raw.start_tls_on.unwrap_or(false) {
        return TlsMode::Off;
    }
    let pair = key_pair(&raw.public_key_file, &raw.private_key_file, at, findings);
    if always { TlsMode::Always(pair) } else { TlsMode::StartTls(pair) }
}

/// Two files that belong together, both required.
fn key_pair(
    certificate: &Option<String>,
    key: &Option<String>,
    at: &str,
    findings: &mut Findings,
) -> KeyPair {
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
    KeyPair {
        certificate_chain: file("public_key_file", certificate),
        private_key: file("private_key_file", key),
    }
}

/// A list that has suites of TLS 1.3 only leaves nothing for TLS 1.2. (The other way round all suites of TLS 1.3 are
/// offered, see [`Tls::cipher_suites`].)
fn suites_for(versions: TlsVersions, suites: &[CipherSuite], at: String, findings: &mut Findings) {
    if suites.is_empty() || suites.iter().any(|suite| suite.version() == TlsVersion::V1_2) {
        return;
    }
    if versions.max == TlsVersion::V1_2 {
        findings.error(at, "none of them is for tls1.2, the only version in \"protocols\"");
    } else if versions.min == TlsVersion::V1_2 {
        findings.warn(at, "none of them is for tls1.2, which is not offered therefore");
    }
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

fn client_auth(name: Option<String>, roots: bool, at: &str, findings: &mut Findings) -> ClientAuth {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return if roots { ClientAuth::VerifyIfGiven } else { ClientAuth::None };
    };
    let Some(auth) = find(CLIENT_AUTH, &name).flatten() else {
        findings.error(format!("{at}.client_auth_type"), unknown(CLIENT_AUTH, &name));
        return ClientAuth::default();
    };
    if roots && !matches!(auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify) {
        findings
            .warn(format!("{at}.root_cas_file"), format!("of no use with client_auth_type {name}"));
    }
    auth
}

fn check_interval(text: Option<String>, at: &str, findings: &mut Findings) -> Option<Duration> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Some(USUAL_CHECK_INTERVAL);
    };
    match duration::parse(&text) {
        Ok(interval) => Some(interval).filter(|interval| !interval.is_zero()),
        Err(error) => {
            findings.error(
                format!("{at}.certificate_check_interval"),
                duration::explain(&text, &error),
            );
            None
        }
    }
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
mod tests;
