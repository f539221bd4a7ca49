//! The two lines an operator reads: one for each message, one for each connection.
//!
//! *Trust*: names and addresses are the client's words. The log writes control characters as escapes, and lists are cut.

use std::fmt;
use std::time::Duration;

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
