//! From what a chain has decided to what the client is told.

use guerrilla_smtp::{Answer, Enhanced, Reply, replies};

use crate::mail::ChosenReply;
use crate::pipeline::{Decision, Kind};

/// An answer that owns its reply.
#[derive(Debug)]
pub(super) enum Decided {
    Accept,
    Reply(Reply<'static>),
    Disconnect(Reply<'static>),
}

impl Decided {
    /// As the session wants it.
    pub(super) fn answer(&self) -> Answer<'_> {
        match self {
            Self::Accept => Answer::Accept,
            Self::Reply(reply) => Answer::Reply(reply),
            Self::Disconnect(reply) => Answer::Disconnect(reply),
        }
    }

    /// What the client is told, if that is not the session's own yes.
    pub(super) fn reply(&self) -> Option<&Reply<'static>> {
        match self {
            Self::Accept => None,
            Self::Reply(reply) | Self::Disconnect(reply) => Some(reply),
        }
    }

    /// The answer for a decision; `rejected` is the house's own words for a 5xx.
    pub(super) fn from_decision(decision: Decision, rejected: fn() -> Reply<'static>) -> Self {
        let chosen = decision.reply.and_then(reply);
        match (decision.kind, chosen) {
            (Kind::Accept | Kind::Discard, None) => Self::Accept,
            (Kind::Disconnect, Some(reply)) => Self::Disconnect(reply),
            (Kind::Disconnect, None) => Self::Disconnect(refused_service()),
            (_, Some(reply)) => Self::Reply(reply),
            (Kind::Defer, None) => Self::Reply(replies::LOCAL_TROUBLE.clone()),
            (Kind::Reject, None) => Self::Reply(rejected()),
        }
    }
}

/// `allowed_hosts` does not name the recipient's domain. Permanent: go-guerrilla's 454 made clients try for days.
pub(super) fn relay_denied() -> Reply<'static> {
    fixed(550, (5, 7, 1), "Relay access denied")
}

/// A stage has rejected the client.
pub(super) fn client_rejected() -> Reply<'static> {
    fixed(554, (5, 7, 1), "Service refused")
}

/// A stage has rejected the sender or what was said before it.
pub(super) fn policy_rejected() -> Reply<'static> {
    fixed(550, (5, 7, 1), "Refused by policy")
}

/// A stage has rejected the recipient.
pub(super) fn recipient_rejected() -> Reply<'static> {
    fixed(550, (5, 1, 1), "User unknown")
}

/// A stage has rejected the message.
pub(super) fn message_rejected() -> Reply<'static> {
    fixed(554, (5, 6, 0), "Message refused")
}

/// RFC 5321 section 4.5.3.1.10 and RFC 3463 3.1: not enough room for the moment.
pub(super) fn no_room() -> Reply<'static> {
    fixed(452, (4, 3, 1), "Not enough room for the message, try again later")
}

/// The message is kept; its id ties the client's log to ours.
pub(super) fn queued(id: &str) -> Reply<'static> {
    let text = ["OK: queued as ", id].concat();
    let reply = Reply::new(250, Some(Enhanced::new(2, 0, 0)), text);
    reply.unwrap_or_else(|_| replies::OK.clone())
}

/// RFC 5321 section 3.8: an unforeseen end is told as 421.
pub(super) fn fault_of_ours() -> Reply<'static> {
    fixed(421, (4, 3, 0), "Local error, closing connection")
}

fn refused_service() -> Reply<'static> {
    fixed(421, (4, 7, 0), "Service not available, closing connection")
}

fn fixed(
    code: u16,
    (class, subject, detail): (u8, u16, u16),
    text: &'static str,
) -> Reply<'static> {
    let reply = Reply::new(code, Some(Enhanced::new(class, subject, detail)), text);
    reply.unwrap_or_else(|_| replies::LOCAL_TROUBLE.clone())
}

/// A processor's reply in the protocol's terms.
fn reply(chosen: ChosenReply) -> Option<Reply<'static>> {
    let code = chosen.enhanced;
    let enhanced = Enhanced::new(code.class, code.subject, code.detail);
    Reply::new(chosen.code, Some(enhanced), chosen.text).ok()
}
