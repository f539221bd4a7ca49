//! What a listener is told once and every session on it reads.

use std::time::Duration;

/// The settings of one server, shared by its sessions.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name in the default greeting and in the answers to HELO and EHLO (go-guerrilla:
    /// `host_name`).
    pub host_name: String,
    /// SMTP or LMTP (RFC 2033).
    pub protocol: Protocol,
    /// The largest message in octets as RFC 1870 counts them: line ends included, stuffed dots and
    /// the terminator not. 0 is no limit. (go-guerrilla: `max_size`)
    pub max_size: u64,
    /// Recipients of one message; those beyond get 452 4.5.3. RFC 5321 4.5.3.1.8 wants at least 100.
    pub max_rcpt: u32,
    /// Transactions on one connection, 0 is no limit; the next MAIL is answered 421.
    pub max_messages: u32,
    /// Refuse MAIL before HELO or EHLO (RFC 5321 4.1.4).
    pub require_helo: bool,
    /// What happens to a message with a bare CR or LF.
    pub bare_newline: BareNewline,
    /// Offer STARTTLS (while the connection is in the clear).
    pub start_tls: bool,
    /// Accept no mail in the clear (RFC 3207 4).
    pub tls_required: bool,
    /// Offer SIZE and take the parameter (RFC 1870). [`max_size`](Self::max_size) holds either way.
    pub size: bool,
    /// Offer ENHANCEDSTATUSCODES (RFC 2034); without, no reply carries such a code.
    pub enhanced_status_codes: bool,
    /// Offer HELP (RFC 5321 4.1.1.8); without, it is answered 502.
    pub help: bool,
    /// Offer PIPELINING (RFC 2920). What is sent in one go is understood either way.
    pub pipelining: bool,
    /// Offer 8BITMIME and take BODY= (RFC 6152).
    pub eight_bit_mime: bool,
    /// Offer SMTPUTF8; RFC 6531 3.1 wants [`eight_bit_mime`](Self::eight_bit_mime) with it.
    pub smtputf8: bool,
    /// Offer CHUNKING and take BDAT (RFC 3030).
    pub chunking: bool,
    /// Offer BINARYMIME (RFC 3030 3); has no effect without [`chunking`](Self::chunking), and none without
    /// [`eight_bit_mime`](Self::eight_bit_mime), whose parameter it uses.
    pub binarymime: bool,
    /// Offer DSN (RFC 3461): switch on only when the chain honours it.
    pub dsn: bool,
    /// Offer REQUIRETLS under TLS (RFC 8689): switch on only when the chain honours it.
    pub requiretls: bool,
    /// Offer LIMITS (RFC 9422) with the numbers above.
    pub limits: bool,
    /// Offer PRDR: one reply for each recipient after the data. LMTP has that without asking.
    pub prdr: bool,
    /// Take XCLIENT from trusted peers (go-guerrilla: `xclient_on`, which trusted everybody).
    pub xclient: bool,
    /// Take XFORWARD from trusted peers.
    pub xforward: bool,
    /// Unknown commands before 421; go-guerrilla's number. 0 is no limit.
    pub max_unrecognised: u32,
    /// Errors of any kind before 421. 0 is no limit. Refusals by the driver are not errors.
    pub max_errors: u32,
    /// Errors that cost no time; each beyond costs one [`error_delay`](Self::error_delay) more.
    pub errors_before_delay: u32,
    /// The step by which the delay grows, up to [`MAX_ERROR_DELAY`]. Zero switches it off.
    pub error_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host_name: "localhost".to_owned(),
            protocol: Protocol::Smtp,
            max_size: 10 << 20,
            max_rcpt: 100,
            max_messages: 0,
            require_helo: true,
            bare_newline: BareNewline::Reject,
            start_tls: false,
            tls_required: false,
            size: true,
            enhanced_status_codes: true,
            help: true,
            pipelining: true,
            eight_bit_mime: true,
            smtputf8: true,
            chunking: true,
            binarymime: true,
            dsn: false,
            requiretls: false,
            limits: true,
            prdr: true,
            xclient: false,
            xforward: false,
            max_unrecognised: 5,
            max_errors: 20,
            errors_before_delay: 10,
            error_delay: Duration::from_secs(1),
        }
    }
}

impl Settings {
    /// Whether SMTPUTF8 is offered, and so taken.
    pub(crate) fn offers_smtputf8(&self) -> bool {
        self.smtputf8 && self.eight_bit_mime
    }

    /// Whether BINARYMIME is offered, and so taken.
    pub(crate) fn offers_binarymime(&self) -> bool {
        self.binarymime && self.chunking && self.eight_bit_mime
    }

    /// Whether PRDR is offered, and so taken.
    pub(crate) fn offers_prdr(&self) -> bool {
        self.prdr && self.protocol == Protocol::Smtp
    }

    /// The size limit as a number to compare with.
    pub(crate) fn size_limit(&self) -> u64 {
        if self.max_size == 0 { u64::MAX } else { self.max_size }
    }
}

/// What the peer is to this listener, known when the connection opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerTraits {
    /// TLS is active before the first byte of SMTP (implicit TLS).
    pub tls: bool,
    /// The peer is on the list of proxies that may use XCLIENT and XFORWARD.
    pub trusted_proxy: bool,
}

/// The protocol that a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 2033: LHLO, and one reply for each recipient after the data.
    Lmtp,
    /// RFC 5321.
    #[default]
    Smtp,
}

/// What happens to a bare CR or a bare LF inside a message sent by DATA.
///
/// Whatever is chosen, only `CRLF.CRLF` ends the message, dots are unstuffed only behind a true
/// CRLF, and command lines end with CRLF only: a client that writes bare LF in commands writes it
/// round its final dot as well and could never finish a message, so leniency there would help
/// nobody. Chunks of BDAT are framed by their length and pass as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareNewline {
    /// Each becomes CRLF in the body that is stored.
    Normalize,
    /// The message is read to its true end, dropped and answered 550 5.5.2.
    #[default]
    Reject,
}

/// The longest delay after an error: a client of good will does not give up yet.
pub const MAX_ERROR_DELAY: Duration = Duration::from_secs(10);
