//! The open sets of numbers that cross the border.
//!
//! Each is a transparent `u32`. A receiver must have an answer for a number it does not know; the
//! type's documentation says which.

use abi_stable::StableAbi;

/// Declares an open set: a transparent number with named values.
macro_rules! open_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $value:ident = $number:expr,)* }) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(StableAbi, Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            $($(#[$vdoc])* pub const $value: Self = Self($number);)*
        }
    };
}

open_set! {
    /// What a call came to. From `FAULT` on it is a fault, and so is the answer to a question by a number that the host does not know:
    /// what a fault means for the message, the operator says (`on_fault`).
    Status {
        /// Go on with the next stage; for a setter: done.
        CONTINUE = 0,
        /// Accept and skip the rest of the chain.
        ACCEPT = 1,
        /// Refuse for now (4xx).
        DEFER = 2,
        /// Refuse for good (5xx).
        REJECT = 3,
        /// Answer as if accepted, keep nothing.
        DISCARD = 4,
        /// The answer comes later through [`HostVt::complete`](crate::HostVt::complete); only after [`TxnVt::hold`](crate::TxnVt::hold).
        PENDING = 5,
        /// Refuse (4xx unless a 5xx reply was set) and close the connection.
        DISCONNECT = 6,
        /// The lowest fault.
        FAULT = 0x8000_0000,
        /// The plugin panicked; its SDK caught it.
        PANICKED = 0x8000_0001,
        /// The configuration cannot be used; the reason was given to [`HostVt::explain`](crate::HostVt::explain).
        BAD_CONFIG = 0x8000_0002,
        /// The number or function is not known to this side.
        UNSUPPORTED = 0x8000_0003,
        /// A value is malformed or out of range.
        BAD_VALUE = 0x8000_0004,
        /// Something failed for which there is no better word.
        INTERNAL = 0x8000_0005,
        /// The file offers no processor of that name.
        NO_SUCH_PROCESSOR = 0x8000_0006,
    }
}

impl Status {
    /// Whether this is a fault of the callee rather than a verdict.
    pub const fn is_fault(self) -> bool {
        self.0 >= Self::FAULT.0
    }
}

open_set! {
    /// The question a stage is asked. A plugin answers an unknown phase with [`Status::CONTINUE`].
    Phase {
        /// A client has connected; nothing was sent yet.
        CONNECT = 1,
        /// HELO, EHLO or LHLO was given.
        HELO = 2,
        /// MAIL was given: the reverse-path is known.
        MAIL = 3,
        /// RCPT was given: the last recipient is the one in question.
        RCPT = 4,
        /// The message is complete and is to be kept.
        SAVE = 5,
    }
}

open_set! {
    /// A fact a stage is told. A plugin ignores an unknown event with [`Status::CONTINUE`].
    Event {
        /// A connection was opened.
        OPENED = 1,
        /// A connection has ended.
        CLOSED = 2,
        /// The chain that this stage was part of has come to an end: see [`NumberField::OUTCOME`].
        SETTLED = 3,
    }
}

open_set! {
    /// How a processor uses the thread it is called on. The host treats an unknown class as [`Blocking::LONG`].
    Blocking {
        /// Returns within microseconds: called on the connection's own thread.
        NEVER = 0,
        /// Waits for a disk or a near service: called on a bounded pool.
        SHORT = 1,
        /// May wait for seconds: called on a bounded pool of its own.
        LONG = 2,
    }
}

open_set! {
    /// Severity of a log line. The host treats an unknown level as [`Level::INFO`].
    Level {
        /// Something failed and somebody should look.
        ERROR = 1,
        /// Something is odd but handled.
        WARN = 2,
        /// What an operator wants to see on an ordinary day.
        INFO = 3,
        /// For finding a fault.
        DEBUG = 4,
        /// Everything.
        TRACE = 5,
    }
}

open_set! {
    /// How long a note lives.
    Scope {
        /// Until the transaction ends.
        MAIL = 1,
        /// Until the connection ends.
        SESSION = 2,
    }
}

open_set! {
    /// A text of the transaction. An unknown or unset one is absent; "(set)" marks those a plugin may set.
    TextField {
        /// Id of the connection, unique in time.
        SESSION_ID = 1,
        /// Name of the server's listener, as configured (`listen_interface`).
        LISTENER = 2,
        /// Address of the client, as text; empty on a Unix socket.
        REMOTE_IP = 3,
        /// Address the client connected to, as text.
        LOCAL_IP = 4,
        /// Name given with HELO, EHLO or LHLO.
        HELO = 5,
        /// TLS version, such as `TLSv1.3`; absent without TLS.
        TLS_VERSION = 6,
        /// TLS cipher suite by its IANA name; absent without TLS.
        TLS_CIPHER = 7,
        /// Subject of the verified client certificate; absent without one.
        TLS_CLIENT = 8,
        /// Server name the client asked for in TLS (attacker's text).
        TLS_SNI = 9,
        /// Protocol as in Received (RFC 3848): `SMTP`, `ESMTP`, `ESMTPS`, `LMTP`, ...
        PROTOCOL = 10,
        /// Host name of the server.
        SERVER_NAME = 11,
        /// Name of the client as a trusted proxy has told it.
        REMOTE_NAME = 12,
        /// Reverse-path without angle brackets; empty for the null reverse-path.
        SENDER = 13,
        /// Parameters of MAIL as given, blank-separated.
        SENDER_PARAMETERS = 14,
        /// Id under which the message is acknowledged (set).
        QUEUED_ID = 15,
        /// Decoded subject (set).
        SUBJECT = 16,
        /// Lines to store before the message, each ending in CRLF (set).
        DELIVERY_HEADER = 17,
        /// Local part of the reverse-path, unquoted.
        SENDER_LOCAL_PART = 18,
        /// Domain of the reverse-path as given.
        SENDER_DOMAIN = 19,
    }
}

open_set! {
    /// A number of the transaction. An unknown or unset one is absent.
    NumberField {
        /// TCP port of the client.
        REMOTE_PORT = 1,
        /// TCP port the client connected to.
        LOCAL_PORT = 2,
        /// 1 when the client spoke EHLO or LHLO.
        ESMTP = 3,
        /// 1 when the connection is encrypted.
        TLS = 4,
        /// Size of the body in bytes, as received after dot-unstuffing.
        BODY_SIZE = 5,
        /// When the transaction began (MAIL), in milliseconds of Unix time.
        ARRIVED_MS = 6,
        /// In [`Event::SETTLED`]: the [`Status`] of the whole chain as a number.
        OUTCOME = 7,
        /// Milliseconds left until the host gives up on this chain.
        DEADLINE_MS = 8,
        /// Messages accepted so far on this connection.
        MESSAGES = 9,
        /// 1 when the client hears a reply for each recipient (LMTP, PRDR), so that verdicts of single recipients reach it.
        ANSWERS_EACH = 10,
    }
}

open_set! {
    /// A list of the transaction. An unknown one has no items.
    List {
        /// Recipients accepted so far, in order; in [`Phase::RCPT`] the last is the one in question.
        RECIPIENTS = 1,
        /// Header fields of the message, in order, read with [`BytesField::HEADER_NAME`] and [`BytesField::HEADER_VALUE`].
        HEADERS = 2,
        /// Hashes made for the message (push).
        HASHES = 3,
        /// Pieces of the message as it is to be stored, read with [`BytesField::PIECE`].
        PIECES = 4,
    }
}

open_set! {
    /// A text or number of one list item. An unknown one is absent.
    ItemField {
        /// The item itself: a recipient's mailbox as given, a hash.
        VALUE = 1,
        /// Local part of a recipient, unquoted.
        LOCAL_PART = 2,
        /// Domain of a recipient as given; an address literal keeps its brackets.
        DOMAIN = 3,
        /// Parameters of RCPT as given, blank-separated.
        PARAMETERS = 4,
        /// Number: the [`Status`] that a stage has set for a recipient; absent while none has.
        VERDICT = 5,
    }
}

open_set! {
    /// Bytes of the transaction, indexed; an unknown field or index is absent.
    BytesField {
        /// Index 0: the body as received, CRLF kept, dots unstuffed, in one piece.
        BODY = 1,
        /// Index n: the n-th piece of the message as it is to be stored: delivery header, added header
        /// fields, then the body without the removed ones.
        PIECE = 2,
        /// Index n: name of the n-th header field, as written.
        HEADER_NAME = 3,
        /// Index n: value of the n-th header field, still folded and encoded, without the last CRLF.
        HEADER_VALUE = 4,
    }
}
