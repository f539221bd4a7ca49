//! What a chain came to, and how a status of the border becomes it.

use guerrilla_plugin_abi::Status;

use crate::mail::{ChosenReply, Envelope};

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// What to do.
    pub(crate) kind: Kind,
    /// The reply that a stage has chosen; it fits the kind.
    pub(crate) reply: Option<ChosenReply>,
}

/// What to do with the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Answer 2xx: every stage has done its part.
    Accept,
    /// Answer 4xx.
    Defer,
    /// Answer 2xx and keep nothing: a stage has decided so.
    Discard,
    /// Answer 4xx or 5xx and close the connection.
    Disconnect,
    /// Answer 5xx.
    Reject,
}

/// What one stage came to.
pub(super) enum Turn {
    /// On to the next.
    Next,
    /// The chain ends.
    End(Decision),
    /// Not an answer: the failure policy decides.
    Fault(String),
}

impl Decision {
    /// A decision with the host's own reply.
    pub(crate) const fn bare(kind: Kind) -> Self {
        Self { kind, reply: None }
    }

    /// Whether the client is told yes.
    pub(crate) fn is_yes(&self) -> bool {
        matches!(self.kind, Kind::Accept | Kind::Discard)
    }

    /// As `settled` tells it to the stages.
    pub(super) fn status(&self) -> Status {
        match self.kind {
            Kind::Accept => Status::ACCEPT,
            Kind::Defer => Status::DEFER,
            Kind::Discard => Status::DISCARD,
            Kind::Disconnect => Status::DISCONNECT,
            Kind::Reject => Status::REJECT,
        }
    }
}

/// Reads the answer of a stage. A reply that contradicts the verdict (a 250 that rejects) is a fault:
/// nobody can tell which of the two was meant.
pub(super) fn turn(status: Status, reply: Option<ChosenReply>) -> Turn {
    let (kind, codes) = match status {
        Status::CONTINUE => return Turn::Next,
        Status::ACCEPT => (Kind::Accept, 200..=299),
        Status::DEFER => (Kind::Defer, 400..=499),
        Status::REJECT => (Kind::Reject, 500..=599),
        Status::DISCARD => (Kind::Discard, 200..=299),
        Status::DISCONNECT => (Kind::Disconnect, 400..=599),
        Status::PANICKED => return Turn::Fault("panicked".to_owned()),
        Status(number) => return Turn::Fault(format!("answered {number:#x}, which is no verdict")),
    };
    match reply {
        Some(reply) if !codes.contains(&reply.code) => {
            Turn::Fault(format!("chose the reply {} for the verdict {kind:?}", reply.code))
        }
        reply => Turn::End(Decision { kind, reply }),
    }
}

/// The merge rule where one reply must do for all recipients (SMTP without PRDR): the worst verdict of any recipient is
/// the verdict of all, for a message must neither vanish for some nor be kept for those who are told it was not.
pub(super) fn merge_recipients(envelope: &Envelope) -> Option<Decision> {
    let refused = |wanted: Status| {
        envelope.recipients().iter().filter_map(|r| r.verdict.as_ref()).find(|v| v.0 == wanted)
    };
    let (status, reply) = refused(Status::DEFER).or_else(|| refused(Status::REJECT))?;
    match turn(*status, reply.clone()) {
        Turn::End(decision) => Some(decision),
        _ => Some(Decision::bare(Kind::Defer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_must_fit_its_verdict() {
        let reply = |code| Some(ChosenReply::new(code, "", "x").unwrap());
        assert!(matches!(turn(Status::REJECT, reply(550)), Turn::End(d) if d.kind == Kind::Reject));
        assert!(matches!(turn(Status::REJECT, reply(250)), Turn::Fault(_)));
        assert!(matches!(turn(Status::DEFER, reply(550)), Turn::Fault(_)));
        assert!(matches!(turn(Status(77), None), Turn::Fault(_)));
        assert!(matches!(turn(Status::PENDING, None), Turn::Fault(_)), "pending without a hold");
        assert!(matches!(turn(Status::CONTINUE, None), Turn::Next));
    }

    #[test]
    fn the_worst_recipient_decides_and_deferring_comes_first() {
        let mut envelope = Envelope::default();
        envelope.begin("", "", "", "");
        for _ in 0..3 {
            envelope.push_recipient("a@b", "a", "b", "");
        }
        assert_eq!(merge_recipients(&envelope), None);
        envelope.recipients_mut()[0].verdict = Some((Status::REJECT, None));
        assert_eq!(merge_recipients(&envelope), Some(Decision::bare(Kind::Reject)));
        envelope.recipients_mut()[2].verdict = Some((Status::DEFER, None));
        assert_eq!(merge_recipients(&envelope), Some(Decision::bare(Kind::Defer)));
    }
}
