//! The two lines an operator reads: one for each message, one for each connection.
//!
//! *Trust*: names and addresses are the client's words, and so may be a part of the reply. The log writes control characters as
//! escapes and blanks within quotes (`observe::line`); lists are cut.

use std::fmt;
use std::time::Duration;

use super::decided::{Decided, message_rejected};
use super::ended::Ended;
use crate::mail::{Client, Transaction};
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
    let enhanced = reply.enhanced().map(|code| format!("{code} ")).unwrap_or_default();
    let text: String = reply.text().chars().take(MOST_OF_A_REPLY).collect();
    Some(format!("{} {enhanced}{text}", reply.code()))
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

/// Characters of a reply's text: a stage may have put a page there.
const MOST_OF_A_REPLY: usize = 512;

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
