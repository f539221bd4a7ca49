//! What a processor has answered, as the daemon reads it.

use std::fmt;

use guerrilla_plugin_abi::Status;

use crate::verdict::{Reply, Verdict};

/// An answer: what is to be done, and the reply if the processor chose one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What is to be done.
    pub kind: Kind,
    /// The reply the processor chose; without one the daemon has its own.
    pub reply: Option<Reply>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On to the next stage.
    Continue,
    /// Accept and skip the rest of the chain.
    Accept,
    /// Refuse for now (4xx).
    Defer,
    /// Refuse for good (5xx).
    Reject,
    /// Answer as if accepted and keep nothing.
    Discard,
    /// Refuse and close the connection.
    Disconnect,
    /// No valid answer: a panic, or a reply that contradicts the verdict. The daemon defers, unless its operator wants it
    /// otherwise. The text says what it was.
    Fault(String),
}

impl Answer {
    /// As the daemon reads a status and the reply set before it.
    pub(super) fn read(status: Status, reply: Option<Reply>, explained: Option<String>) -> Self {
        let (kind, class) = match status {
            Status::CONTINUE => return Self { kind: Kind::Continue, reply: None },
            Status::ACCEPT => (Kind::Accept, 2..=2),
            Status::DEFER => (Kind::Defer, 4..=4),
            Status::REJECT => (Kind::Reject, 5..=5),
            Status::DISCARD => (Kind::Discard, 2..=2),
            Status::DISCONNECT => (Kind::Disconnect, 4..=5),
            status => {
                let what = explained.unwrap_or_else(|| match status {
                    Status::PANICKED => "panicked".to_owned(),
                    Status::PENDING => "answered PENDING without a hold".to_owned(),
                    Status(number) => format!("answered {number:#x}, which is no verdict"),
                });
                return Self::fault(what);
            }
        };
        match reply {
            Some(reply) if !class.contains(&(reply.code / 100)) => {
                Self::fault(format!("chose the reply {} for the verdict {kind:?}", reply.code))
            }
            reply => Self { kind, reply },
        }
    }

    pub(super) fn bare(kind: Kind) -> Self {
        Self { kind, reply: None }
    }

    pub(super) fn fault(what: String) -> Self {
        Self::bare(Kind::Fault(what))
    }

    /// Whether the client hears a yes and the message is kept.
    pub fn is_accepted(&self) -> bool {
        matches!(self.kind, Kind::Continue | Kind::Accept)
    }

    /// Whether the client is asked to try again: by the verdict, or because of a fault.
    pub fn is_deferred(&self) -> bool {
        matches!(self.kind, Kind::Defer | Kind::Fault(_))
    }

    /// Whether the client is refused for good.
    pub fn is_rejected(&self) -> bool {
        self.kind == Kind::Reject
    }

    /// Code of the reply the processor chose.
    pub fn code(&self) -> Option<u16> {
        self.reply.as_ref().map(|reply| reply.code)
    }

    /// Text of the reply the processor chose.
    pub fn text(&self) -> Option<&str> {
        self.reply.as_ref().map(|reply| reply.text.as_ref())
    }

    /// What the stages are told at the end of a chain that came to this.
    pub(super) fn outcome(&self) -> Status {
        match &self.kind {
            Kind::Continue | Kind::Accept => Status::ACCEPT,
            Kind::Defer | Kind::Fault(_) => Status::DEFER,
            Kind::Reject => Status::REJECT,
            Kind::Discard => Status::DISCARD,
            Kind::Disconnect => Status::DISCONNECT,
        }
    }
}

/// So that an answer can be compared with the verdict that was meant.
impl PartialEq<Verdict> for Answer {
    fn eq(&self, verdict: &Verdict) -> bool {
        *self == Self::read(verdict.status, verdict.reply.clone(), None)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, &self.reply) {
            (Kind::Fault(what), _) => write!(f, "fault: {what}"),
            (kind, None) => write!(f, "{kind:?}"),
            (kind, Some(reply)) => {
                write!(f, "{kind:?}: {} {} {}", reply.code, reply.enhanced, reply.text)
            }
        }
    }
}
