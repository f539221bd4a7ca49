//! What a chain came to, and how a status of the border becomes it.

use guerrilla_plugin_abi::Status;

use crate::mail::{ChosenReply, Envelope, Recipient};

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// What to do.
    pub(crate) kind: Kind,
    /// The reply that a stage has chosen; it fits the kind.
    pub(crate) reply: Option<ChosenReply>,
    /// Nobody has spoken about the message: this is what the verdicts on its recipients come to. Who hears a reply for each
    /// hears those.
    pub(crate) of_recipients: bool,
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
        Self { kind, reply: None, of_recipients: false }
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
        Status::PENDING => return Turn::Fault("answered PENDING without a hold".to_owned()),
        Status(number) => return Turn::Fault(format!("answered {number:#x}, which is no verdict")),
    };
    match reply {
        Some(reply) if !codes.contains(&reply.code) => {
            Turn::Fault(format!("chose the reply {} for the verdict {kind:?}", reply.code))
        }
        reply => Turn::End(Decision { kind, reply, of_recipients: false }),
    }
}

/// What the verdicts on recipients mean for the message; `None`: nothing, it is for somebody.
///
/// Where each recipient is answered (LMTP, PRDR) it ends when nobody is left: no stage is to store it for nobody. Where one reply must
/// do for all (SMTP without PRDR) one that is refused is enough.
pub(super) fn refusal_of_recipients(envelope: &Envelope) -> Option<Decision> {
    let left_out = |recipient: &Recipient| {
        let verdict = recipient.verdict.as_ref().map(|(status, _)| *status);
        matches!(verdict, Some(Status::DEFER | Status::REJECT | Status::DISCARD))
    };
    let somebody_is_left = || !envelope.recipients().iter().all(left_out);
    if envelope.each_answered && somebody_is_left() { None } else { merge_recipients(envelope) }
}

/// The merge rule: the worst verdict of any recipient is the verdict of all, for a message must neither vanish for some nor
/// be kept for those who are told it was not.
fn merge_recipients(envelope: &Envelope) -> Option<Decision> {
    let refused = |wanted: Status| {
        envelope.recipients().iter().filter_map(|r| r.verdict.as_ref()).find(|v| v.0 == wanted)
    };
    let (status, reply) = refused(Status::DEFER).or_else(|| refused(Status::REJECT))?;
    let merged = match turn(*status, reply.clone()) {
        Turn::End(decision) => decision,
        _ => Decision::bare(Kind::Defer),
    };
    Some(Decision { of_recipients: true, ..merged })
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

    /// A message for so many, whose client hears a reply for each or one for all.
    fn envelope(recipients: usize, each_answered: bool) -> Envelope {
        let mut envelope = Envelope::default();
        envelope.begin("", "", "", "");
        envelope.each_answered = each_answered;
        (0..recipients).for_each(|_| envelope.push_recipient("a@b", "a", "b", ""));
        envelope
    }

    fn merged(kind: Kind) -> Option<Decision> {
        Some(Decision { of_recipients: true, ..Decision::bare(kind) })
    }

    #[test]
    fn the_worst_recipient_decides_and_deferring_comes_first() {
        let mut envelope = envelope(3, false);
        assert_eq!(refusal_of_recipients(&envelope), None);
        envelope.recipients_mut()[0].verdict = Some((Status::REJECT, None));
        assert_eq!(refusal_of_recipients(&envelope), merged(Kind::Reject));
        envelope.recipients_mut()[2].verdict = Some((Status::DEFER, None));
        assert_eq!(refusal_of_recipients(&envelope), merged(Kind::Defer));
    }

    #[test]
    fn where_each_is_answered_the_message_ends_when_nobody_is_left() {
        let mut envelope = envelope(3, true);
        for (index, status) in [Status::REJECT, Status::DISCARD].into_iter().enumerate() {
            envelope.recipients_mut()[index].verdict = Some((status, None));
            assert_eq!(refusal_of_recipients(&envelope), None);
        }
        for (status, decision) in [
            (Status::CONTINUE, None),
            (Status::ACCEPT, None),
            (Status::DISCARD, merged(Kind::Reject)),
            (Status::DEFER, merged(Kind::Defer)),
        ] {
            envelope.recipients_mut()[2].verdict = Some((status, None));
            assert_eq!(refusal_of_recipients(&envelope), decision, "{status:?}");
        }
    }
}
