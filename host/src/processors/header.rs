//! `Header`: the trace fields of final delivery, to be stored in front of the message.
//!
//! *Standards*: RFC 5321 section 4.4 (Return-Path, Received), RFC 9228 (Delivered-To).
//! *Trust*: HELO, names and addresses are the client's words. The session has checked them; here they are made
//! harmless once more, so that nothing can end a line, a comment or an address.
//!
//! What differs from go-guerrilla:
//! - `Return-Path` is there, and Received begins with the HELO name, as it should.
//! - `Delivered-To` names the recipient's real address instead of its local part at `primary_mail_host`, which
//!   is used only for a recipient without a domain (`<Postmaster>`).
//! - With several recipients there is neither `Delivered-To` nor a `for` clause: the copy is shared, and each
//!   of them would read who else, blind copies included, has got it. A store that writes a copy for every
//!   recipient can add the field to each; `header_delivered_to_all` asks for all of them in the shared one.
//! - Lines end in CRLF and the date is in UTC.

mod folding;
mod harmless;

use std::borrow::Cow;
use std::cell::RefCell;

use guerrilla_plugin_api::{Blocking, Host, Phase, Plugin, Recipient, Transaction, Verdict};
use mail_parser::DateTime;

use super::settings::Settings;
use folding::Field;
use harmless::{address, word};

/// The processor.
pub(super) struct Header {
    host: Host,
    primary_mail_host: Option<String>,
    delivered_to_all: bool,
}

impl Plugin for Header {
    const NAME: &'static str = "Header";
    const DESCRIPTION: &'static str = "Adds Return-Path, Delivered-To and Received";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": {
            "primary_mail_host": {
                "type": "string",
                "description": "Domain of recipients that have none (Postmaster). Default: the name of the machine"
            },
            "header_delivered_to_all": {
                "type": "boolean",
                "default": false,
                "description": "Write a Delivered-To for each of several recipients: they will read of each other, blind copies included"
            }
        }
    }"#;
    type Config = Settings;

    fn create(host: Host, config: Settings) -> Result<Self, String> {
        let primary_mail_host = config.text("primary_mail_host")?.map(str::to_owned);
        let delivered_to_all = config.flag("header_delivered_to_all")?.unwrap_or(false);
        Ok(Self { host, primary_mail_host, delivered_to_all })
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let lines = self.facts(&txn).lines();
        if let Err(why) = txn.set_delivery_header(&lines) {
            self.host.error(format_args!("{} delivery header not set: {why}", txn.session_id()));
            return Verdict::DEFER;
        }
        Verdict::CONTINUE
    }
}

impl Header {
    fn facts<'a>(&'a self, txn: &'a Transaction<'_>) -> Facts<'a> {
        let tls = || (txn.tls_version().unwrap_or_default(), txn.tls_cipher().unwrap_or_default());
        let remaining = txn.recipients().filter(|recipient| !recipient.is_refused());
        Facts {
            sender: txn.sender().unwrap_or_default(),
            recipients: remaining.map(|recipient| self.mailbox(recipient)).collect(),
            delivered_to_all: self.delivered_to_all,
            helo: txn.helo().unwrap_or_default(),
            remote_name: txn.remote_name(),
            remote_ip: txn.remote_ip(),
            server_name: txn.server_name(),
            protocol: txn.protocol(),
            tls: txn.is_tls().then(tls),
            queued_id: txn.queued_id(),
            arrived_ms: txn.arrived_ms().unwrap_or_else(|| self.host.now_ms()),
        }
    }

    fn mailbox<'a>(&self, recipient: Recipient<'a>) -> Cow<'a, str> {
        match &self.primary_mail_host {
            Some(host) if recipient.domain().is_empty() => {
                format!("{}@{host}", recipient.local_part()).into()
            }
            _ => recipient.address().into(),
        }
    }
}

/// What the fields are made of.
#[derive(Clone)]
struct Facts<'a> {
    sender: &'a str,
    recipients: Vec<Cow<'a, str>>,
    delivered_to_all: bool,
    helo: &'a str,
    remote_name: Option<&'a str>,
    /// Empty on a Unix socket.
    remote_ip: &'a str,
    server_name: &'a str,
    protocol: &'a str,
    /// Version and cipher suite.
    tls: Option<(&'a str, &'a str)>,
    queued_id: &'a str,
    arrived_ms: u64,
}

impl Facts<'_> {
    /// The header lines.
    fn lines(&self) -> String {
        let mut lines = String::with_capacity(512);
        Field::new(&mut lines, "Return-Path").joined(&["<", &address(self.sender), ">"]).end();
        if self.recipients.len() == 1 || self.delivered_to_all {
            for recipient in &self.recipients {
                Field::new(&mut lines, "Delivered-To").word(&address(recipient)).end();
            }
        }
        self.received(Field::new(&mut lines, "Received"));
        lines
    }

    fn received(&self, field: Field<'_>) {
        let field = field.word("from").word(&word(self.helo));
        let mut field = self.tcp_info(field).clause(&["by"]).word(&word(self.server_name));
        field = field.word("with").word(&word(self.protocol));
        if !self.queued_id.is_empty() {
            field = field.word("id").word(&word(self.queued_id));
        }
        if let Some((version, cipher)) = self.tls {
            field = field.clause(&["(", &word(version), ","]);
            field = field.word("cipher").joined(&[&word(cipher), ")"]);
        }
        if let [only] = self.recipients.as_slice() {
            field = field.clause(&["for"]).joined(&["<", &address(only), ">"]);
        }
        LAST_DATE.with_borrow_mut(|last| field.attach(";").word(last.of(self.arrived_ms)).end());
    }

    /// The comment behind the HELO name: what the client's connection says about it.
    fn tcp_info<'a>(&self, field: Field<'a>) -> Field<'a> {
        if self.remote_ip.is_empty() {
            return field;
        }
        // RFC 5321 section 4.1.3.
        let tag = if self.remote_ip.contains(':') { "IPv6:" } else { "" };
        let ip = word(self.remote_ip);
        match self.remote_name {
            Some(name) => field.joined(&["(", &word(name)]).joined(&["[", tag, &ip, "])"]),
            None => field.joined(&["([", tag, &ip, "])"]),
        }
    }
}

/// The last second in which a thread has had a message, in words: on a busy server the next is in the same.
#[derive(Default)]
struct LastDate {
    unix: u64,
    text: String,
}

impl LastDate {
    fn of(&mut self, unix_ms: u64) -> &str {
        let unix = unix_ms / 1000;
        if self.text.is_empty() || self.unix != unix {
            *self = Self { unix, text: date(unix) };
        }
        &self.text
    }
}

thread_local! {
    static LAST_DATE: RefCell<LastDate> = RefCell::default();
}

/// RFC 5322 section 3.3. Years have four digits.
fn date(unix: u64) -> String {
    const END_OF_9999: u64 = 253_402_300_799;
    let seconds = unix.min(END_OF_9999);
    DateTime::from_timestamp(i64::try_from(seconds).unwrap_or_default()).to_rfc822()
}

#[cfg(test)]
mod tests;
