//! What the session asks its driver, and what the driver may answer.

use std::time::Duration;

use crate::parameters::{MailParameters, RcptParameters};
use crate::path::{ForwardPath, ReversePath};
use crate::reply::Reply;
use crate::xclient::{Xclient, Xforward};

/// One step of the session: what the driver has to do next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Decide, then call [`answer`](crate::Session::answer). Until then no input is taken.
    Ask(Question<'a>),
    /// Bytes of the message, decoded: append them to the body of the open transaction.
    Body(&'a [u8]),
    /// Write what is in `out`, then close the connection.
    Close(CloseReason),
    /// A lot has been said: write what is in `out`, then call again. Whoever only calls again has replies pile up.
    Flush,
    /// Nothing more can be done with this input: write `out`, then read more behind what is left.
    NeedInput,
    /// Write `out`, wait this long without reading, then call again.
    Pause(Duration),
    /// The open transaction came to nothing (RSET, a new HELO, STARTTLS, XCLIENT): its envelope and body may be let go.
    Reset,
    /// The message of the open transaction breaks a rule of the protocol, and the client hears this reply at its end: its envelope
    /// and body may be let go.
    Spoilt(Reply<'static>),
    /// Write `out` (it ends with the 220), then do the TLS handshake as the server on the socket
    /// itself, then call [`tls_done`](crate::Session::tls_done). If the handshake fails, close.
    StartTls,
}

/// A question to the driver. All text borrows from the input.
#[derive(Debug)]
pub enum Question<'a> {
    /// A new connection (or one whose identity XCLIENT has changed). Answer
    /// [`Greeting`](Answer::Greeting) or [`Accept`](Answer::Accept) to serve it.
    Connect,
    /// Storage permission, before 354 or before the first chunk of BDAT.
    Data,
    /// HELO, EHLO or LHLO.
    Helo {
        /// Which of them.
        verb: HelloVerb,
        /// The name the client gives itself: a valid domain or an address literal with brackets.
        name: &'a str,
    },
    /// MAIL: accepted, it opens a new transaction.
    Mail {
        /// Who sends, perhaps nobody.
        path: ReversePath<'a>,
        /// The parameters, checked.
        parameters: MailParameters<'a>,
    },
    /// The body is complete: keep the message, then answer. The transaction ends with the answer.
    Message,
    /// RCPT: accepted, it adds a recipient to the transaction.
    Rcpt {
        /// Who receives.
        path: ForwardPath<'a>,
        /// The parameters, checked.
        parameters: RcptParameters<'a>,
    },
    /// XCLIENT from a trusted peer: replace what is known of the client. Accepted, the session
    /// begins again with [`Connect`](Self::Connect).
    Xclient(Xclient<'a>),
    /// XFORWARD from a trusted peer: note it for the transactions that follow.
    Xforward(Xforward<'a>),
}

/// The answer to a [`Question`].
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// Yes, with the standard reply.
    Accept,
    /// Give this reply, then close the connection.
    Disconnect(&'a Reply<'a>),
    /// For [`Question::Message`]: one reply for each accepted recipient, in the order of RCPT. Plain
    /// SMTP has room for one reply only: there the worst is given, 4xx before 5xx before 2xx,
    /// because a retry may deliver twice but a 2xx would lose mail.
    Each(&'a [Reply<'a>]),
    /// For [`Question::Connect`]: yes, with this text behind `220 `. It should start with the name
    /// of the host (RFC 5321 4.2).
    Greeting(&'a str),
    /// The class decides: 2xx is yes with this text, 4xx and 5xx are no. 421 also closes.
    Reply(&'a Reply<'a>),
}

/// The command a client introduces itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloVerb {
    /// EHLO.
    Ehlo,
    /// HELO: no extensions for this client.
    Helo,
    /// LHLO, RFC 2033.
    Lhlo,
}

/// Why the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Bytes in the clear came behind STARTTLS.
    DataBehindStartTls,
    /// The driver answered so.
    Disconnected,
    /// The client spoke before the greeting.
    EarlyTalker,
    /// A chunk size that cannot be read or skipped: the place in the stream is lost.
    OutOfStep,
    /// QUIT.
    Quit,
    /// The server stops.
    ShuttingDown,
    /// The client was silent for too long.
    TimedOut,
    /// The server had no room for this connection.
    TooBusy,
    /// Too many errors or unknown commands.
    TooManyErrors,
    /// `max_messages` is reached.
    TooManyMessages,
    /// The client goes on far beyond the size limit.
    TooMuchData,
}

/// What a session waits for: the driver chooses its time limits by it (RFC 5321 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// For the driver's answer. Reading from the client is pointless until then.
    Answer,
    /// For bytes of a message, or of something that is being skipped.
    Body,
    /// For nothing: the session is over.
    Closed,
    /// For a command.
    Command,
    /// For the end of the TLS handshake.
    Handshake,
}
