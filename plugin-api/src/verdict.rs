//! What a processor answers.

use std::borrow::Cow;

use guerrilla_plugin_abi::Status;

/// The answer to a question.
///
/// ```
/// use guerrilla_plugin_api::{Reply, Verdict};
/// let go_on = Verdict::CONTINUE;
/// let no = Verdict::reject(Reply::new(550, "5.7.1", "We take no mail from strangers"));
/// let later = Verdict::DEFER; // the host has a fitting 4xx reply
/// # let _ = (go_on, no, later);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a verdict has no effect until it is returned"]
pub struct Verdict {
    pub(crate) status: Status,
    pub(crate) reply: Option<Reply>,
}

impl Verdict {
    /// Go on with the next stage.
    pub const CONTINUE: Self = Self::bare(Status::CONTINUE);
    /// Accept and skip the rest of the chain.
    pub const ACCEPT: Self = Self::bare(Status::ACCEPT);
    /// Refuse for now, with the host's 4xx reply: the client will try again.
    pub const DEFER: Self = Self::bare(Status::DEFER);
    /// Refuse for good, with the host's 5xx reply: the client will tell its user.
    pub const REJECT: Self = Self::bare(Status::REJECT);
    /// Answer as if accepted and keep nothing.
    pub const DISCARD: Self = Self::bare(Status::DISCARD);
    /// The verdict comes through [`Held::complete`](crate::Held::complete); to be returned after
    /// [`Transaction::hold`](crate::Transaction::hold) and never otherwise.
    pub const PENDING: Self = Self::bare(Status::PENDING);
    /// Refuse and close the connection (421).
    pub const DISCONNECT: Self = Self::bare(Status::DISCONNECT);

    /// Refuse for now (451 4.3.0): the message could not be stored. What a storing processor says while its store is in trouble; why
    /// belongs into the log.
    pub const UNSTORED: Self =
        Self::later(451, "4.3.0", "The message could not be stored, try again later");
    /// Refuse for now (452 4.3.1): the store says that it is full.
    pub const NO_ROOM: Self =
        Self::later(452, "4.3.1", "Not enough room for the message, try again later");
    /// Refuse for now (451 4.3.0): whoever knows the recipients cannot be asked.
    pub const UNCHECKED: Self =
        Self::later(451, "4.3.0", "The recipient cannot be checked now, try again later");

    const fn later(code: u16, enhanced: &'static str, text: &'static str) -> Self {
        let (enhanced, text) = (Cow::Borrowed(enhanced), Cow::Borrowed(text));
        Self::defer(Reply { code, enhanced, text })
    }

    const fn bare(status: Status) -> Self {
        Self { status, reply: None }
    }

    /// Accepts with a reply of its own (2xx), skipping the rest of the chain.
    pub const fn accept(reply: Reply) -> Self {
        Self { status: Status::ACCEPT, reply: Some(reply) }
    }

    /// Refuses for now with a reply of its own (4xx).
    pub const fn defer(reply: Reply) -> Self {
        Self { status: Status::DEFER, reply: Some(reply) }
    }

    /// Refuses for good with a reply of its own (5xx).
    pub const fn reject(reply: Reply) -> Self {
        Self { status: Status::REJECT, reply: Some(reply) }
    }

    /// Refuses with a reply of its own (4xx or 5xx) and closes the connection.
    pub const fn disconnect(reply: Reply) -> Self {
        Self { status: Status::DISCONNECT, reply: Some(reply) }
    }

    /// Whether the chain goes on.
    pub fn is_continue(&self) -> bool {
        self.status == Status::CONTINUE
    }
}

/// A reply to the client (RFC 5321 section 4.2, RFC 3463).
///
/// The host replaces control characters in the text and supplies the enhanced status code that belongs to the basic
/// code when `enhanced` is empty. A code that does not fit the verdict (a 250 with a rejection) counts as a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Basic code: of class 2, 4 or 5, with a second digit of at most 5 (RFC 5321 section 4.2).
    pub code: u16,
    /// Enhanced status code such as `5.7.1`; may be empty.
    pub enhanced: Cow<'static, str>,
    /// Text; a newline makes the reply multi-line.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply.
    pub fn new(
        code: u16,
        enhanced: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { code, enhanced: enhanced.into(), text: text.into() }
    }
}
