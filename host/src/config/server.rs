//! One element of `servers`, checked: a listener, its conversation and its bounds.
//!
//! In every number 0 means the default, as in go-guerrilla, which is said where it is not 0; a negative one is an error (it aborted
//! go-guerrilla's start at best).

use std::time::Duration;

use super::duration;
use super::host_name::HostName;
use super::limits::{Limits, Numbers};
use super::listen::Listen;
use super::log::LogTarget;
use super::network::Network;
use super::problem::Findings;
use super::raw::{RawExtensions, RawServer};
use super::tls::Tls;

/// One server: what it listens on and how it talks.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Whether it is started (`is_enabled`, false when left out).
    pub enabled: bool,
    /// Where it listens (`listen_interface`, `v6only`, `unix_mode`, `unix_owner`). No two servers have the same.
    pub listen: Listen,
    /// The name of the socket that a service manager hands over for it (`socket_name`); found by its address when left out.
    pub socket_name: Option<String>,
    /// Its name in greeting and replies (`host_name`, the machine's when left out).
    pub host_name: HostName,
    /// What it speaks (`protocol`).
    pub protocol: Protocol,
    /// The largest message in bytes (`max_size`, 10 MiB).
    pub max_size: u64,
    /// How long a client may take for one command or be silent in a body (`timeout`, in whole seconds, 30).
    pub timeout: Duration,
    /// How long a session may last (`session_timeout`, in whole seconds, an hour); a message in hand is finished.
    pub session_timeout: Duration,
    /// Bytes a second that a body must come at, once it has lasted for half a minute (`min_data_rate`, 100).
    pub min_data_rate: u64,
    /// Connections at a time (`max_clients`, 100).
    pub max_clients: u32,
    /// Where its log goes (`log_file`, the daemon's when left out).
    pub log: LogTarget,
    /// How much one client may do.
    pub limits: Limits,
    /// Whether mail needs a HELO, EHLO or LHLO first (`require_helo`).
    pub require_helo: bool,
    /// What a CR or LF alone in a message means (`bare_newline`).
    pub bare_newline: BareNewline,
    /// How long the greeting is held back to see who talks first (`greet_delay`).
    pub greet_delay: Option<Duration>,
    /// Which EHLO keywords may be offered (`extensions`).
    pub extensions: Extensions,
    /// Whether XCLIENT is taken from the trusted (`xclient_on`).
    pub xclient: bool,
    /// Whether XFORWARD is taken from the trusted (`xforward_on`; as `xclient_on` when left out).
    pub xforward: bool,
    /// Whether connections begin with a PROXY header (`proxy_protocol`).
    pub proxy_protocol: ProxyProtocol,
    /// Who may speak for others (`trusted_proxies`; loopback when left out and XCLIENT, XFORWARD or the PROXY protocol is on).
    pub trusted_proxies: Vec<Network>,
    /// TLS (`tls`).
    pub tls: Tls,
}

impl Server {
    /// An enabled server with the default of everything else.
    #[must_use]
    pub fn new(listen: Listen) -> Self {
        Self {
            enabled: true,
            listen,
            socket_name: None,
            host_name: HostName::of_this_machine(),
            protocol: Protocol::default(),
            max_size: 10 << 20,
            timeout: Duration::from_secs(30),
            session_timeout: Duration::from_secs(3600),
            min_data_rate: 100,
            max_clients: 100,
            log: LogTarget::default(),
            limits: Limits::default(),
            require_helo: true,
            bare_newline: BareNewline::default(),
            greet_delay: None,
            extensions: Extensions::default(),
            xclient: false,
            xforward: false,
            proxy_protocol: ProxyProtocol::default(),
            trusted_proxies: Vec::new(),
            tls: Tls::default(),
        }
    }

    /// Gives meaning to what was typed. After an error the value is good for nothing but for finding
    /// more errors.
    pub(super) fn check(raw: RawServer, log: &LogTarget, findings: &mut Findings) -> Self {
        let at = raw.at.as_str();
        let listen = Listen::check(&raw, findings).unwrap_or_default();
        let usual = Self::new(listen);
        let xclient = raw.xclient_on.unwrap_or(usual.xclient);
        let xforward = raw.xforward_on.unwrap_or(xclient);
        let proxy_protocol = ProxyProtocol::check(raw.proxy_protocol.as_deref(), at, findings);
        let behind_proxy = xclient || xforward || proxy_protocol != ProxyProtocol::Off;
        let mut numbers = Numbers { at, findings };
        let max_size = numbers.check("max_size", raw.max_size, usual.max_size, i64::MAX);
        let timeout =
            numbers.check("timeout", raw.timeout, usual.timeout.as_secs(), LONGEST_TIMEOUT);
        let session_timeout = numbers.check(
            "session_timeout",
            raw.session_timeout,
            usual.session_timeout.as_secs(),
            LONGEST_TIMEOUT,
        );
        let min_data_rate =
            numbers.check("min_data_rate", raw.min_data_rate, usual.min_data_rate, i64::MAX);
        let max_clients =
            numbers.check("max_clients", raw.max_clients, usual.max_clients, MOST_CLIENTS);
        let limits = Limits::check(&raw, &mut numbers);
        if raw.is_enabled.is_none() && !findings.has_error_at(&format!("{at}.is_enabled")) {
            findings.warn(format!("{at}.is_enabled"), "left out, so this server is not started");
        }
        let server = Self {
            enabled: raw.is_enabled.unwrap_or(false),
            socket_name: socket_name(raw.socket_name, at, findings),
            host_name: HostName::check(raw.host_name, &format!("{at}.host_name"), findings)
                .unwrap_or(usual.host_name),
            protocol: Protocol::check(raw.protocol.as_deref(), at, findings),
            max_size,
            timeout: Duration::from_secs(timeout),
            session_timeout: Duration::from_secs(session_timeout),
            min_data_rate,
            max_clients,
            log: raw
                .log_file
                .filter(|target| !target.is_empty())
                .map_or_else(|| log.clone(), LogTarget::read),
            limits,
            require_helo: raw.require_helo.unwrap_or(usual.require_helo),
            bare_newline: BareNewline::check(raw.bare_newline.as_deref(), at, findings),
            greet_delay: greet_delay(raw.greet_delay, at, findings),
            extensions: Extensions::check(&raw.extensions),
            xclient,
            xforward,
            proxy_protocol,
            trusted_proxies: trusted_proxies(raw.trusted_proxies, behind_proxy, at, findings),
            tls: Tls::check(raw.tls, at, findings),
            listen: usual.listen,
        };
        if server.protocol == Protocol::Lmtp
            && matches!(server.listen, Listen::Tcp { address, .. } if address.port() == 25)
        {
            findings.error(
                format!("{at}.protocol"),
                "LMTP is forbidden on port 25 (RFC 2033 section 5)",
            );
        }
        server
    }
}

/// The protocol of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033: one reply per recipient.
    Lmtp,
}

impl Protocol {
    fn check(word: Option<&str>, at: &str, findings: &mut Findings) -> Self {
        let words = [("smtp", Self::Smtp), ("lmtp", Self::Lmtp)];
        choice(word, &words, || format!("{at}.protocol"), findings)
    }
}

/// Whether connections of trusted proxies begin with a PROXY header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProxyProtocol {
    /// No.
    #[default]
    Off,
    /// Those that do are believed.
    Accept,
    /// They must, and nobody else may connect.
    Require,
}

impl ProxyProtocol {
    fn check(word: Option<&str>, at: &str, findings: &mut Findings) -> Self {
        let words = [("off", Self::Off), ("accept", Self::Accept), ("require", Self::Require)];
        choice(word, &words, || format!("{at}.proxy_protocol"), findings)
    }
}

/// What a CR or LF alone in a message means. Neither ever ends the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BareNewline {
    /// The message is refused.
    #[default]
    Reject,
    /// It becomes CRLF.
    Normalize,
}

impl BareNewline {
    fn check(word: Option<&str>, at: &str, findings: &mut Findings) -> Self {
        let words = [("reject", Self::Reject), ("normalize", Self::Normalize)];
        choice(word, &words, || format!("{at}.bare_newline"), findings)
    }
}

/// Which EHLO keywords may be offered. One that is switched on is offered when it holds, so all of
/// them are on unless the file says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// PIPELINING, RFC 2920.
    pub pipelining: bool,
    /// 8BITMIME, RFC 6152.
    pub eight_bit_mime: bool,
    /// SMTPUTF8, RFC 6531.
    pub smtputf8: bool,
    /// CHUNKING, RFC 3030.
    pub chunking: bool,
    /// BINARYMIME, RFC 3030; needs `chunking`.
    pub binarymime: bool,
    /// DSN, RFC 3461.
    pub dsn: bool,
    /// LIMITS, RFC 9422.
    pub limits: bool,
    /// REQUIRETLS, RFC 8689.
    pub requiretls: bool,
    /// SIZE, RFC 1870; `max_size` holds either way.
    pub size: bool,
    /// ENHANCEDSTATUSCODES, RFC 2034; without it no reply has such a code.
    pub enhanced_status_codes: bool,
    /// PRDR, draft-hall-prdr; LMTP has no need of it.
    pub prdr: bool,
    /// HELP, RFC 5321 section 4.1.1.8.
    pub help: bool,
}

impl Default for Extensions {
    fn default() -> Self {
        Self::check(&RawExtensions::default())
    }
}

impl Extensions {
    fn check(raw: &RawExtensions) -> Self {
        let chunking = raw.chunking.unwrap_or(true);
        Self {
            pipelining: raw.pipelining.unwrap_or(true),
            eight_bit_mime: raw.eight_bit_mime.unwrap_or(true),
            smtputf8: raw.smtputf8.unwrap_or(true),
            chunking,
            binarymime: chunking && raw.binarymime.unwrap_or(true),
            dsn: raw.dsn.unwrap_or(true),
            limits: raw.limits.unwrap_or(true),
            requiretls: raw.requiretls.unwrap_or(true),
            size: raw.size.unwrap_or(true),
            enhanced_status_codes: raw.enhanced_status_codes.unwrap_or(true),
            prdr: raw.prdr.unwrap_or(true),
            help: raw.help.unwrap_or(true),
        }
    }
}

/// A day in seconds. Clients give up after minutes, and clocks cannot overflow.
const LONGEST_TIMEOUT: i64 = 24 * 60 * 60;

/// Linux does not let a process have more files (`fs.nr_open`) unless it is told to.
const MOST_CLIENTS: i64 = 1 << 20;

/// Clients wait five minutes for a greeting (RFC 5321 section 4.5.3.2.1), and other servers' probes less.
const LONGEST_GREET_DELAY: Duration = Duration::from_secs(60);

fn choice<T: Copy + Default>(
    word: Option<&str>,
    words: &[(&str, T)],
    at: impl Fn() -> String,
    findings: &mut Findings,
) -> T {
    let Some(word) = word.filter(|word| !word.is_empty()) else { return T::default() };
    match words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) {
        Some((_, meant)) => *meant,
        None => {
            let known: Vec<_> = words.iter().map(|(known, _)| *known).collect();
            findings.error(at(), format!("expected {}, found {word:?}", known.join(" or ")));
            T::default()
        }
    }
}

/// Such a name stands in a list that is parted by colons (`LISTEN_FDNAMES`); the rest is systemd's rule.
fn socket_name(name: Option<String>, at: &str, findings: &mut Findings) -> Option<String> {
    let name = name.filter(|name| !name.is_empty())?;
    let usable = |byte: u8| matches!(byte, b' '..=b'~') && byte != b':';
    if name.len() > 255 || !name.bytes().all(usable) {
        let message = "expected at most 255 characters of ASCII without a colon";
        findings.error(format!("{at}.socket_name"), message);
    }
    Some(name)
}

fn greet_delay(text: Option<String>, at: &str, findings: &mut Findings) -> Option<Duration> {
    let text = text.filter(|text| !text.is_empty())?;
    let message = match duration::parse(&text) {
        Ok(delay) if delay <= LONGEST_GREET_DELAY => return Some(delay).filter(|d| !d.is_zero()),
        Ok(_) => format!("{text:?} is too long: at most 1m"),
        Err(error) => duration::explain(&text, &error),
    };
    findings.error(format!("{at}.greet_delay"), message);
    None
}

fn trusted_proxies(
    list: Option<Vec<String>>,
    behind_proxy: bool,
    at: &str,
    findings: &mut Findings,
) -> Vec<Network> {
    let Some(list) = list else {
        return if behind_proxy { Network::loopback().to_vec() } else { Vec::new() };
    };
    let mut networks = Vec::with_capacity(list.len());
    for (index, text) in list.iter().enumerate() {
        let at = format!("{at}.trusted_proxies[{index}]");
        match text.parse::<Network>() {
            Ok(network) => {
                if network.is_everything() {
                    findings.warn(at, format!("{network} lets anybody pose as anybody"));
                }
                networks.push(network);
            }
            Err(error) => findings.error(at, error.to_string()),
        }
    }
    networks
}

#[cfg(test)]
mod tests;
