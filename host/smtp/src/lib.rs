//! The receiving side of SMTP (RFC 5321) and LMTP (RFC 2033) as a pure state machine: no sockets, no
//! clock, no log, no tasks.
//!
//! Bytes go in, replies come out into a buffer of the caller, and what has to be decided comes out as
//! a question. All that touches the world is the *driver's*: reading and writing, time limits, TLS,
//! the envelope, the storage of the body, and the answers.
//!
//! ```text
//!   bytes read ──▶ Session::receive ──▶ (bytes taken, Step)     replies appended to `out`
//!                        ▲                     │
//!                        │                     ├─ Ask(question) ──▶ the driver decides ──┐
//!                        └── Session::answer ◀─┼─────────────────────────────────────────┘
//!                                              ├─ Body(bytes)    append to the body
//!                                              ├─ Reset          drop envelope and body
//!                                              ├─ Flush          write, go on
//!                                              ├─ Pause(time)    write, wait, go on
//!                                              ├─ StartTls       write, handshake, tls_done
//!                                              ├─ NeedInput      write, read more
//!                                              └─ Close(reason)  write, close
//! ```
//!
//! # How to drive it
//!
//! 1. Call [`Session::receive`] with no input: the first step is [`Question::Connect`]. Whoever wants
//!    to catch early talkers looks at the socket before answering, and calls
//!    [`Session::early_talker`] if something is there.
//! 2. Call [`Session::receive`] with *all* bytes that have been read and not yet taken, drop those it
//!    takes, do what the step says, and repeat. Write `out` when the step is
//!    [`NeedInput`](Step::NeedInput): the replies of a pipelined group then leave in one packet.
//! 3. The session keeps no partial lines: up to [`LONGEST_LINE`] bytes may stay with the driver, whose
//!    buffer must be larger than that. Inside a message everything is always taken.
//! 4. The driver owns the envelope. An accepted [`Question::Mail`] begins one, each accepted
//!    [`Question::Rcpt`] adds to it, [`Step::Body`] fills it, [`Question::Message`] ends it, and so do
//!    [`Step::Reset`] and [`Step::Spoilt`]. [`Question::Data`] asks once whether there is room.
//! 5. While a question is open no input is taken, so pipelined commands wait their turn.
//! 6. Time is the driver's. [`Session::waiting`] says which limit applies; when it is over, call
//!    [`Session::timed_out`]. To stop, call [`Session::shutting_down`] once and go on.
//!
//! ```
//! use std::sync::Arc;
//! use guerrilla_smtp::{Answer, PeerTraits, Question, Session, Settings, Step};
//!
//! let settings = Settings { host_name: "mail.test".to_owned(), ..Settings::default() };
//! let mut session = Session::new(Arc::new(settings), PeerTraits::default());
//!
//! // What a client sends, pipelined as far as it goes; here all of it is in the buffer at once.
//! let mut input: &[u8] = b"EHLO client.test\r\nMAIL FROM:<joe@client.test>\r\n\
//!     RCPT TO:<ann@mail.test>\r\nDATA\r\nSubject: hi\r\n\r\nHello.\r\n.\r\nQUIT\r\n";
//! let (mut out, mut recipients, mut body) = (Vec::new(), Vec::new(), Vec::new());
//! loop {
//!     let (taken, step) = session.receive(input, &mut out);
//!     input = &input[taken..];
//!     match step {
//!         Step::Ask(question) => {
//!             if let Question::Rcpt { path, .. } = question {
//!                 recipients.push(format!("{path:?}"));
//!             }
//!             session.answer(Answer::Accept, &mut out);
//!         }
//!         Step::Body(bytes) => body.extend_from_slice(bytes),
//!         Step::Reset | Step::Spoilt(_) => body.clear(),
//!         Step::Close(_) => break,
//!         Step::Flush | Step::NeedInput | Step::Pause(_) | Step::StartTls => {
//!             unreachable!("not in this dialogue")
//!         }
//!     }
//! }
//! assert_eq!(body, b"Subject: hi\r\n\r\nHello.\r\n");
//! assert_eq!(recipients.len(), 1);
//! assert!(out.starts_with(b"220 mail.test ESMTP\r\n250-mail.test Hello\r\n"));
//! assert!(out.ends_with(b"250 2.0.0 OK\r\n221 2.0.0 Bye\r\n"));
//! ```
//!
//! # What it promises
//!
//! - **Framing.** Only `CRLF.CRLF` ends data and only CRLF ends a command, whatever the settings. A
//!   message that breaks a rule is read to its true end and refused there; the session stays in step.
//! - **Independence of packets.** The replies depend on the bytes, not on where they are cut. One
//!   exception, by design: bytes that arrive glued behind STARTTLS end the session.
//! - **Bounds.** A session is a few hundred bytes. It allocates for HELO and EHLO, for texts that
//!   need folding and for a few rare values; an ordinary MAIL, RCPT, DATA or body allocates nothing.
//! - **No panics**, whatever the bytes and in whatever order the methods are called.
//!
//! # Where to look
//!
//! | question | file |
//! | --- | --- |
//! | what is legal when | `session/verbs.rs`, `session/envelope.rs` |
//! | what an answer does | `session/answers.rs` |
//! | bodies, skipping, size | `session/body.rs` |
//! | the end of data, dots, bare line ends | `data.rs` |
//! | addresses | `path.rs`, `domain.rs` |
//! | every reply | [`replies`] |
//! | which RFC clause is tested where | `CONFORMANCE.md` |
#![forbid(unsafe_code)]

mod bdat;
mod command;
mod data;
mod domain;
mod ehlo;
#[doc(hidden)]
pub mod fuzzing;
mod line;
mod parameters;
mod path;
mod question;
pub mod replies;
mod reply;
mod session;
mod settings;
mod xclient;
mod xtext;

pub use command::{COMMANDS, CommandCounts, LONGEST_LINE};
pub use data::{Decoded, DotDecoder};
pub use domain::Domain;
pub use parameters::{
    BodyType, MailParameters, Notify, OriginalRecipient, Parameters, RcptParameters, Ret,
};
pub use path::{ForwardPath, LocalPart, Mailbox, ReversePath};
pub use question::{Answer, CloseReason, HelloVerb, Question, Step, Waiting};
pub use reply::{Enhanced, InvalidCode, InvalidEnhanced, Reply};
pub use session::Session;
pub use settings::{BareNewline, MAX_ERROR_DELAY, PeerTraits, Protocol, Settings};
pub use xclient::{Attribute, Xclient, Xforward};
pub use xtext::Xtext;
