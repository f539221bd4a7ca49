//! One connection: what it has been told so far, and what comes next.
//!
//! The work is split as OpenSMTPD splits it: *check* whether a command is legal here
//! ([`verbs`], [`envelope`]), *ask* the driver, *proceed* with its answer ([`answers`]). Bodies are in [`body`]; where a session
//! stands is [`state`].
//!
//! **Trust:** every byte of the input is the client's. No input makes this code panic, loop without
//! taking input, or keep more than a few dozen bytes of state.

use std::sync::Arc;
use std::time::Duration;

use crate::command::{CommandCounts, LONGEST_LINE, count};
use crate::line::{Line, next_line, skip_line};
use crate::question::{CloseReason, HelloVerb, Question, Step, Waiting};
use crate::replies;
use crate::reply::Reply;
use crate::settings::{MAX_ERROR_DELAY, PeerTraits, Protocol, Settings};

mod answers;
mod body;
mod envelope;
mod state;
mod verbs;

use state::{ChunkBody, DataBody, Pending, State, Transaction};

/// The receiving side of one connection. The crate documentation shows how to drive it.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    peer: PeerTraits,
    state: State,
    /// How the client has introduced itself.
    hello: Option<HelloVerb>,
    /// An XCLIENT was accepted: whatever is no XCLIENT comes from the one who is spoken for.
    spoken_for: bool,
    /// The greeting was 554: nothing but QUIT is served (RFC 5321 3.1).
    refused: bool,
    transaction: Option<Transaction>,
    /// Transactions opened on this connection.
    transactions: u32,
    errors: u32,
    unrecognised: u32,
    /// The last MAIL was refused: what was pipelined behind it is no mistake of its own.
    mail_refused: bool,
    /// [`Step::Reset`] is owed to the driver.
    reset_due: bool,
    /// [`Step::Pause`] is owed to the driver.
    pause_due: Option<Duration>,
    /// [`shutting_down`](Self::shutting_down) has been called.
    draining: bool,
}

/// What the driver calls.
impl Session {
    /// A session for a connection that has just opened. The first step is the question
    /// [`Connect`](Question::Connect); it needs no input.
    #[must_use]
    pub fn new(settings: Arc<Settings>, peer: PeerTraits) -> Self {
        Self {
            settings,
            peer,
            state: State::Opening,
            hello: None,
            spoken_for: false,
            refused: false,
            transaction: None,
            transactions: 0,
            errors: 0,
            unrecognised: 0,
            mail_refused: false,
            reset_due: false,
            pause_due: None,
            draining: false,
        }
    }

    /// Takes bytes off the head of `input` until there is a step for the driver; replies are
    /// appended to `out`. Returns how many bytes were taken and the step.
    ///
    /// `input` must be all bytes read and not yet taken. The driver calls again with the rest, and
    /// reads more only on [`Step::NeedInput`]; up to [`LONGEST_LINE`] bytes may
    /// then be left, so its buffer must be larger than that.
    pub fn receive<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> (usize, Step<'a>) {
        self.receive_counting(input, out, &mut CommandCounts::default())
    }

    /// The same, and adds the command lines that it takes to `commands`: for drivers that keep figures. Lines that are too
    /// long for any command are not counted.
    pub fn receive_counting<'a>(
        &mut self,
        input: &'a [u8],
        out: &mut Vec<u8>,
        commands: &mut CommandCounts,
    ) -> (usize, Step<'a>) {
        self.receive_telling(input, out, commands, |_, _, _| {})
    }

    /// The same, and tells what each piece was taken for: one command line, or bytes of a message, of a chunk or of a line
    /// that is too long ([`Waiting::Body`]), and what was replied to it at once. For drivers that show a conversation or log what is
    /// refused; which bytes are which, only the session knows.
    pub fn receive_telling<'a>(
        &mut self,
        input: &'a [u8],
        out: &mut Vec<u8>,
        commands: &mut CommandCounts,
        mut told: impl FnMut(Waiting, &'a [u8], &[u8]),
    ) -> (usize, Step<'a>) {
        let mut used = 0;
        loop {
            if let Some(step) = self.owed(out) {
                return (used, step);
            }
            if used > 0 && out.len() > MOST_SAID {
                return (used, Step::Flush);
            }
            let (waiting, said) = (self.waiting(), out.len());
            let (taken, step) = self.advance(&input[used..], out, commands);
            if taken > 0 {
                told(waiting, &input[used..used + taken], &out[said..]);
            }
            used += taken;
            if let Some(step) = step {
                return (used, step);
            }
        }
    }

    /// The TLS handshake after [`Step::StartTls`] is done: all that the client said in the clear is
    /// forgotten (RFC 3207 4.2). No effect at any other time.
    pub fn tls_done(&mut self) {
        if matches!(self.state, State::Handshake) {
            self.peer.tls = true;
            self.hello = None;
            self.state = State::Commands;
        }
    }

    /// The client was silent for too long: 421 4.4.2, and the next step is to close.
    pub fn timed_out(&mut self, out: &mut Vec<u8>) {
        self.close_with(&replies::TIMED_OUT, CloseReason::TimedOut, out);
    }

    /// The server stops. Between commands: 421 4.3.2, and the next step is to close. Inside a
    /// message, or while a question is open, that is finished and answered first. To be called
    /// once; then go on with [`receive`](Self::receive) as ever.
    pub fn shutting_down(&mut self, out: &mut Vec<u8>) {
        self.draining = true;
        self.drain(out);
    }

    /// The client spoke before the greeting: 554, and the next step is to close. For drivers that
    /// look before they greet.
    pub fn early_talker(&mut self, out: &mut Vec<u8>) {
        self.close_with(&replies::EARLY_TALKER, CloseReason::EarlyTalker, out);
    }

    /// There is no room for this connection: 421 4.3.2, and the next step is to close.
    pub fn too_busy(&mut self, out: &mut Vec<u8>) {
        self.close_with(&replies::TOO_BUSY, CloseReason::TooBusy, out);
    }

    /// Ends the session with `reply` at any point, for reasons of the driver's own.
    pub fn disconnect(&mut self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        self.close_with(reply, CloseReason::Disconnected, out);
    }
}

/// What the driver may look at.
impl Session {
    /// What the session waits for; the choice of the time limit.
    #[must_use]
    pub const fn waiting(&self) -> Waiting {
        match self.state {
            State::Opening | State::Asked(_) => Waiting::Answer,
            State::Commands => Waiting::Command,
            State::Chunk(_) | State::Data(_) | State::SkipLine { .. } => Waiting::Body,
            State::Handshake => Waiting::Handshake,
            State::Closed(_) => Waiting::Closed,
        }
    }

    /// Whether a question is open: input is to be withheld.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        matches!(self.state, State::Asked(_))
    }

    /// Whether a MAIL has been accepted and its transaction has not ended.
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// How many recipients of the open transaction have been accepted.
    #[must_use]
    pub fn recipients(&self) -> u32 {
        self.transaction.as_ref().map_or(0, |transaction| transaction.recipients)
    }

    /// How the client has introduced itself.
    #[must_use]
    pub const fn hello(&self) -> Option<HelloVerb> {
        self.hello
    }

    /// Whether TLS is active.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.peer.tls
    }

    /// The word behind `with` in a Received field (RFC 3848, RFC 6531 4.3).
    #[must_use]
    pub fn protocol_name(&self) -> &'static str {
        let utf8 = self.transaction.as_ref().is_some_and(|transaction| transaction.smtputf8);
        let lmtp = self.settings.protocol == Protocol::Lmtp;
        let esmtp = self.hello == Some(HelloVerb::Ehlo);
        match (lmtp, utf8, esmtp, self.peer.tls) {
            (true, false, _, false) => "LMTP",
            (true, false, _, true) => "LMTPS",
            (true, true, _, false) => "UTF8LMTP",
            (true, true, _, true) => "UTF8LMTPS",
            (false, true, _, false) => "UTF8SMTP",
            (false, true, _, true) => "UTF8SMTPS",
            (false, false, true, false) => "ESMTP",
            (false, false, true, true) => "ESMTPS",
            (false, false, false, false) => "SMTP",
            (false, false, false, true) => "SMTPS",
        }
    }
}

impl Session {
    /// Steps that need no input.
    fn owed(&mut self, out: &mut Vec<u8>) -> Option<Step<'static>> {
        self.drain(out);
        if let State::Closed(reason) = self.state {
            return Some(Step::Close(reason));
        }
        if std::mem::take(&mut self.reset_due) {
            return Some(Step::Reset);
        }
        self.pause_due.take().map(Step::Pause)
    }

    fn advance<'a>(
        &mut self,
        input: &'a [u8],
        out: &mut Vec<u8>,
        commands: &mut CommandCounts,
    ) -> (usize, Option<Step<'a>>) {
        match &mut self.state {
            State::Opening => (0, Some(self.ask(Pending::Connect, Question::Connect))),
            State::Commands => match next_line(input, LONGEST_LINE) {
                Line::Complete(line) => {
                    let used = line.len() + 2;
                    count(line, commands);
                    (used, self.line(line, input.len() > used, out))
                }
                Line::Partial => (0, Some(Step::NeedInput)),
                Line::TooLong => {
                    self.state = State::SkipLine { skipped: 0 };
                    (0, None)
                }
            },
            State::SkipLine { skipped } => {
                let (used, ended) = skip_line(input);
                *skipped += used;
                let endless = *skipped > SKIP_LIMIT;
                if endless {
                    let reason = CloseReason::TooManyErrors;
                    self.close_with(&replies::TOO_MANY_ERRORS, reason, out);
                } else if ended {
                    self.state = State::Commands;
                    self.error(&replies::LINE_TOO_LONG, out);
                }
                (used, (!ended && !endless).then_some(Step::NeedInput))
            }
            State::Chunk(_) => self.chunk_bytes(input, out),
            State::Data(_) => self.data_bytes(input, out),
            State::Asked(_) | State::Closed(_) | State::Handshake => (0, Some(Step::NeedInput)),
        }
    }

    fn ask<'a>(&mut self, pending: Pending, question: Question<'a>) -> Step<'a> {
        self.state = State::Asked(pending);
        Step::Ask(question)
    }

    /// 421 and close, if the server stops and no message is under way.
    fn drain(&mut self, out: &mut Vec<u8>) {
        let between_chunks = self.transaction.as_ref().is_some_and(|t| t.chunked);
        let boundary = match self.state {
            State::Commands | State::SkipLine { .. } => !between_chunks,
            State::Opening | State::Handshake => true,
            State::Asked(_) | State::Chunk(_) | State::Closed(_) | State::Data(_) => false,
        };
        if self.draining && boundary {
            self.close_with(&replies::SHUTTING_DOWN, CloseReason::ShuttingDown, out);
        }
    }

    /// Ends the session. Before the greeting the reply stands in its place and has no enhanced code;
    /// during a handshake nobody could read it.
    fn close_with(&mut self, reply: &Reply<'_>, reason: CloseReason, out: &mut Vec<u8>) {
        match self.state {
            State::Closed(_) => return,
            State::Handshake => {}
            State::Opening | State::Asked(Pending::Connect) => reply.write_plain(out),
            _ => self.say(reply, out),
        }
        self.state = State::Closed(reason);
    }

    /// Writes a reply, with its enhanced code where those are offered. Whatever is said behind the greeting goes
    /// through here, but for the answers to HELO, EHLO and LHLO.
    fn say(&self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        if self.settings.enhanced_status_codes { reply.write(out) } else { reply.write_plain(out) }
    }

    /// Answers a mistake of the client, counts it, and slows down or ends the session when there are
    /// too many.
    fn error(&mut self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        self.errors = self.errors.saturating_add(1);
        let settings = &self.settings;
        let reached = |count: u32, limit: u32| limit > 0 && count >= limit;
        if reached(self.errors, settings.max_errors)
            || reached(self.unrecognised, settings.max_unrecognised)
        {
            let reason = CloseReason::TooManyErrors;
            return self.close_with(&replies::TOO_MANY_ERRORS, reason, out);
        }
        let beyond = self.errors.saturating_sub(settings.errors_before_delay);
        let delay = settings.error_delay.saturating_mul(beyond).min(MAX_ERROR_DELAY);
        self.pause_due = (!delay.is_zero()).then_some(delay);
        self.say(reply, out);
    }

    /// Ends the open transaction without a message; the driver will hear of it.
    fn abandon(&mut self) {
        self.reset_due |= self.transaction.take().is_some();
    }
}

/// Bytes of replies after which they are to be written before more is taken in: a reply to EHLO is thirty times as long as
/// the shortest command, and a client need not read.
const MOST_SAID: usize = 64 * 1024;

/// A line that goes on for so long is no mistake any more.
const SKIP_LIMIT: usize = 1 << 20;
