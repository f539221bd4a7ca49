//! The lines an operator reads: one for each message, one for each connection, and one for whatever is refused before there is a
//! message.
//!
//! *Trust*: names, addresses and commands are the client's words, and so may be a part of the reply. The log writes control
//! characters as escapes and blanks within quotes (`observe::line`); lists and lines are cut. How many lines a client may cause
//! before it is sent away, `max_errors` and the recipients of a message say.

use std::fmt;
use std::time::Duration;

use guerrilla_smtp::Reply;

use super::decided::{Decided, message_rejected};
use super::ended::Ended;
use crate::mail::{Client, Recipient, Transaction};
use crate::pipeline::{Decision, Kind};

/// A message has its answer. Its size is told apart: after a time-out the transaction is a spare without the body.
pub(super) fn of_message(decision: &Decision, txn: &Transaction, size: usize) {
    let (client, envelope) = (&txn.client, &txn.envelope);
    let sender = envelope.sender().map(|s| envelope.address(s)).unwrap_or_default();
    tracing::info!(
        session = %client.session,
        id = envelope.queued_id(),
        remote = %client.remote_ip,
        helo = client.helo.as_deref().unwrap_or("-"),
        tls = tls(client),
        from = %format_args!("<{sender}>"),
        to = %Recipients(txn),
        rcpts = envelope.recipients().len(),
        size,
        millis = txn.timings.as_ref().map(|timings| timings.as_str()),
        reply = refusal(decision),
        "message {}",
        verdict(decision.kind),
    );
}

/// Who or what is refused by a chain, by `allowed_hosts`, or by a rule of the protocol that a whole message must keep.
#[derive(Clone, Copy)]
pub(super) enum Refused<'a> {
    Client,
    Helo,
    Sender,
    Recipient(&'a Recipient),
    Message,
}

/// It is refused with this reply.
pub(super) fn of_refusal(what: Refused<'_>, txn: &Transaction, reply: &Reply<'_>) {
    let (client, envelope) = (&txn.client, &txn.envelope);
    // Until a MAIL is taken, what is there is of the message before.
    let sender = envelope.sender().filter(|_| !matches!(what, Refused::Client | Refused::Helo));
    let to = match what {
        Refused::Client | Refused::Helo | Refused::Sender => None,
        Refused::Recipient(recipient) => {
            Some(format!("<{}>", envelope.address(recipient.mailbox())))
        }
        Refused::Message => Some(Recipients(txn).to_string()),
    };
    tracing::info!(
        session = %client.session,
        remote = %client.remote_ip,
        helo = client.helo.as_deref().unwrap_or("-"),
        tls = tls(client),
        from = sender.map(|sender| format!("<{}>", envelope.address(sender))),
        to,
        reply = worded(reply),
        "{} refused",
        what.name(),
    );
}

impl Refused<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Helo => "HELO",
            Self::Sender => "sender",
            Self::Recipient(_) => "recipient",
            Self::Message => "message",
        }
    }
}

/// A command was answered with this at once, asking nobody. Told are refusals that keep mail away; commands out of order are a
/// consequence of those.
pub(super) fn of_command(client: &Client, command: &[u8], said: &[u8]) {
    const OF_MAIL: [&[u8]; 3] = [b"MAIL", b"RCPT", b"BDAT"];
    const NOT_NOW: [&[u8]; 2] = [b"503", b"421"];
    let verb = command.get(..4).unwrap_or_default();
    let is_of_mail = OF_MAIL.iter().any(|known| known.eq_ignore_ascii_case(verb));
    if !is_of_mail || NOT_NOW.iter().any(|code| said.starts_with(code)) {
        return;
    }
    tracing::info!(
        session = %client.session,
        remote = %client.remote_ip,
        helo = client.helo.as_deref().unwrap_or("-"),
        tls = tls(client),
        command = cut(&String::from_utf8_lossy(command.trim_ascii_end())),
        reply = cut(&String::from_utf8_lossy(said.trim_ascii_end())),
        "command refused",
    );
}

/// A connection has come to its end. Its begin is told at debug level only.
pub(super) fn of_connection(client: &Client, ended: &Ended, lasted: Duration) {
    tracing::info!(
        session = %client.session,
        reason = %ended.reason(),
        error = ended.error().map(tracing::field::display),
        remote = %client.remote_ip,
        helo = client.helo.as_deref().unwrap_or("-"),
        tls = tls(client),
        messages = client.messages,
        seconds = (lasted.as_secs_f64() * 1000.0).round() / 1000.0,
        "closed",
    );
}

fn verdict(kind: Kind) -> &'static str {
    match kind {
        Kind::Accept => "accepted",
        Kind::Discard => "discarded",
        Kind::Defer => "deferred",
        Kind::Reject => "rejected",
        Kind::Disconnect => "refused, connection closed",
    }
}

/// What a message is refused with, as the client reads it. A stage has chosen it, or the house says so for want of anything else.
fn refusal(decision: &Decision) -> Option<String> {
    if decision.is_yes() {
        return None;
    }
    let reply = match Decided::from_decision(decision.clone(), message_rejected) {
        Decided::Reply(reply) | Decided::Disconnect(reply) => reply,
        Decided::Accept => return None,
    };
    Some(worded(&reply))
}

/// As the client reads it.
fn worded(reply: &Reply<'_>) -> String {
    let enhanced = reply.enhanced().map(|code| format!("{code} ")).unwrap_or_default();
    format!("{} {enhanced}{}", reply.code(), cut(reply.text()))
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_OF_A_TEXT).collect()
}

fn tls(client: &Client) -> &str {
    client.tls.as_ref().map_or("-", |facts| &facts.version)
}

/// The first recipients.
struct Recipients<'a>(&'a Transaction);

impl fmt::Display for Recipients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 5;
        let envelope = &self.0.envelope;
        for (number, recipient) in envelope.recipients().iter().take(MOST).enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma}<{}>", envelope.address(recipient.mailbox()))?;
        }
        f.write_str(if envelope.recipients().len() > MOST { ",..." } else { "" })
    }
}

/// Characters of a reply's text, where a stage may have put a page, and of a command.
const MOST_OF_A_TEXT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::ChosenReply;

    #[test]
    fn what_a_message_was_refused_with() {
        let said = |kind, reply: Option<(u16, &str, &str)>| {
            let reply = reply.map(|(code, enhanced, text)| {
                ChosenReply::new(code, enhanced, text).expect("a good one")
            });
            refusal(&Decision { reply, ..Decision::bare(kind) })
        };
        assert_eq!(said(Kind::Accept, None), None);
        assert_eq!(said(Kind::Discard, Some((250, "", "thank you"))), None);
        let said = |kind, reply| said(kind, reply).expect("it was refused");
        assert!(said(Kind::Defer, None).starts_with("451 4.3.0 "));
        assert_eq!(said(Kind::Reject, None), "554 5.6.0 Message refused");
        assert!(said(Kind::Disconnect, None).starts_with("421 4.7.0 "));
        assert_eq!(said(Kind::Reject, Some((550, "5.7.1", "spam"))), "550 5.7.1 spam");
        let page = "x".repeat(10_000);
        assert_eq!(said(Kind::Defer, Some((451, "", &page))).len(), "451 4.0.0 ".len() + 512);
    }
}
