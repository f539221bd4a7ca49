//! What a client does: its connection and its messages.

/// A client and its connection.
///
/// Without further words: `192.0.2.1` says `EHLO client.example.com` in clear to `mx.example.com`.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) remote_ip: String,
    pub(super) remote_port: u16,
    pub(super) remote_name: Option<String>,
    pub(super) helo: String,
    pub(super) protocol: String,
    pub(super) server_name: String,
    pub(super) listener: String,
    pub(super) tls: Option<Tls>,
    pub(super) deadline_ms: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) version: String,
    pub(super) client: Option<String>,
    pub(super) sni: Option<String>,
}

impl Session {
    /// The client described above.
    pub fn new() -> Self {
        Self {
            remote_ip: "192.0.2.1".to_owned(),
            remote_port: 40_000,
            remote_name: None,
            helo: "client.example.com".to_owned(),
            protocol: "ESMTP".to_owned(),
            server_name: "mx.example.com".to_owned(),
            listener: "127.0.0.1:25".to_owned(),
            tls: None,
            deadline_ms: 30_000,
        }
    }

    /// Address of the client.
    pub fn remote_ip(mut self, ip: &str) -> Self {
        self.remote_ip = ip.to_owned();
        self
    }

    /// Name of the client, as a trusted proxy has told it.
    pub fn remote_name(mut self, name: &str) -> Self {
        self.remote_name = Some(name.to_owned());
        self
    }

    /// Name it gives with EHLO.
    pub fn helo(mut self, name: &str) -> Self {
        self.helo = name.to_owned();
        self
    }

    /// It speaks LMTP, and hears of each recipient.
    pub fn lmtp(self) -> Self {
        self.protocol("LMTP")
    }

    /// Protocol as in the Received field (RFC 3848): `SMTP`, `ESMTP`, `ESMTPSA`, `LMTPS`, ...
    pub fn protocol(mut self, protocol: &str) -> Self {
        self.protocol = protocol.to_owned();
        self
    }

    /// Host name of the server.
    pub fn server_name(mut self, name: &str) -> Self {
        self.server_name = name.to_owned();
        self
    }

    /// Name of the listener it comes in by.
    pub fn listener(mut self, name: &str) -> Self {
        self.listener = name.to_owned();
        self
    }

    /// It has encrypted the connection; the protocol becomes `ESMTPS`.
    pub fn tls(mut self, version: &str) -> Self {
        self.tls = Some(Tls { version: version.to_owned(), client: None, sni: None });
        if matches!(self.protocol.as_str(), "SMTP" | "ESMTP") {
            self.protocol = "ESMTPS".to_owned();
        }
        if self.protocol == "LMTP" {
            self.protocol = "LMTPS".to_owned();
        }
        self
    }

    /// It has shown a certificate of that subject, which was verified; TLS 1.3 unless said otherwise.
    pub fn tls_client(self, subject: &str) -> Self {
        self.with_tls(|tls| tls.client = Some(subject.to_owned()))
    }

    /// It has asked for a server of that name; TLS 1.3 unless said otherwise.
    pub fn tls_sni(self, name: &str) -> Self {
        self.with_tls(|tls| tls.sni = Some(name.to_owned()))
    }

    /// What [`Transaction::deadline_ms`](crate::Transaction::deadline_ms) says.
    pub fn deadline_ms(mut self, ms: u64) -> Self {
        self.deadline_ms = ms;
        self
    }

    pub(super) fn is_lmtp(&self) -> bool {
        self.protocol.starts_with("LMTP")
    }

    fn with_tls(self, change: impl FnOnce(&mut Tls)) -> Self {
        let mut session = if self.tls.is_some() { self } else { self.tls("TLSv1.3") };
        if let Some(tls) = &mut session.tls {
            change(tls);
        }
        session
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

/// One message and its envelope.
///
/// Without further words it goes from `sender@example.com` to `recipient@example.net` and is empty.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    from: Option<String>,
    pub(super) from_parameters: String,
    to: Vec<(String, String)>,
    header: String,
    body: Vec<u8>,
    raw: Option<Vec<u8>>,
    pub(super) queued_id: Option<String>,
}

impl Mail {
    /// The message described above.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reverse-path without brackets; empty for the null reverse-path.
    pub fn from(mut self, address: &str) -> Self {
        self.from = Some(address.to_owned());
        self
    }

    /// Parameters of MAIL, blank-separated: `BODY=8BITMIME SMTPUTF8`.
    pub fn from_parameters(mut self, parameters: &str) -> Self {
        self.from_parameters = parameters.to_owned();
        self
    }

    /// Adds a recipient.
    pub fn to(self, address: &str) -> Self {
        self.to_with(address, "")
    }

    /// Adds a recipient with parameters of RCPT, blank-separated: `NOTIFY=NEVER`.
    pub fn to_with(mut self, address: &str, parameters: &str) -> Self {
        self.to.push((address.to_owned(), parameters.to_owned()));
        self
    }

    /// Adds a header field, as it is.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.header.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Adds the header field `Subject`.
    pub fn subject(self, subject: &str) -> Self {
        self.header("Subject", subject)
    }

    /// What follows the header and its empty line, as it is: lines end in CRLF.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// The whole message, header and all, instead of the fields and the body given otherwise.
    pub fn raw(mut self, message: impl AsRef<[u8]>) -> Self {
        self.raw = Some(message.as_ref().to_vec());
        self
    }

    /// The id it is acknowledged with; each has one of its own unless said otherwise.
    pub fn queued_id(mut self, id: &str) -> Self {
        self.queued_id = Some(id.to_owned());
        self
    }

    pub(super) fn sender(&self) -> &str {
        self.from.as_deref().unwrap_or("sender@example.com")
    }

    /// Addresses and parameters.
    pub(super) fn recipients(&self) -> Vec<(String, String)> {
        if self.to.is_empty() {
            return vec![("recipient@example.net".to_owned(), String::new())];
        }
        self.to.clone()
    }

    pub(super) fn message(&self) -> Vec<u8> {
        let whole = || [self.header.as_bytes(), b"\r\n", &self.body].concat();
        self.raw.clone().unwrap_or_else(whole)
    }
}
