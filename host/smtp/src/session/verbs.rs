//! Check: whether a command is legal here and now. What is goes to the driver as a question.
//!
//! **Standards:** RFC 5321 4.1.4 (order of commands), 4.1.1 (each of them), RFC 2033 4.1, RFC 3207 4.

use memchr::memchr2;

use super::{Pending, Session, State};
use crate::command::{Command, LINE_LIMIT, Verb};
use crate::domain::{DOMAIN_LIMIT, Domain};
use crate::ehlo;
use crate::question::{CloseReason, HelloVerb, Question, Step};
use crate::replies;
use crate::reply::Reply;
use crate::settings::Protocol;
use crate::xclient::{Xclient, Xforward};

/// A question with what its answer will need, or the reply to a mistake.
pub(super) type Checked<'a> = Result<(Pending, Question<'a>), &'static Reply<'static>>;

impl Session {
    /// One command line, without its CRLF. `glued`: more bytes stand behind it already.
    pub(super) fn line<'a>(
        &mut self,
        line: &'a [u8],
        glued: bool,
        out: &mut Vec<u8>,
    ) -> Option<Step<'a>> {
        if memchr2(b'\r', b'\n', line).is_some() {
            self.error(&replies::BARE_NEWLINE_IN_COMMAND, out);
            return None;
        }
        let Command { verb, argument } = Command::parse(line);
        // A proxy that has told who its client is may pass on what that one says, unread (nginx does behind RCPT): a client must
        // not be whoever it likes by an XCLIENT of its own.
        self.peer.trusted_proxy &= !self.spoken_for || verb == Some(Verb::Xclient);
        let limit = verb.map_or(LINE_LIMIT, |verb| verb.line_limit(&self.settings));
        if line.len() + 2 > limit {
            self.error(&replies::LINE_TOO_LONG, out);
            return None;
        }
        let Some(verb) = verb else {
            self.unrecognised(out);
            return None;
        };
        if verb == Verb::Bdat && self.settings.chunking {
            return self.bdat(argument, out);
        }
        if let Err(reply) = self.is_served(verb) {
            self.error(reply, out);
            return None;
        }
        self.command(verb, argument, glued, out)
    }

    fn command<'a>(
        &mut self,
        verb: Verb,
        argument: Option<&'a [u8]>,
        glued: bool,
        out: &mut Vec<u8>,
    ) -> Option<Step<'a>> {
        let checked = match verb {
            Verb::Data => self.data(argument),
            Verb::Ehlo => self.hello_command(HelloVerb::Ehlo, argument),
            Verb::Helo => self.hello_command(HelloVerb::Helo, argument),
            Verb::Lhlo if self.settings.protocol == Protocol::Lmtp => {
                self.hello_command(HelloVerb::Lhlo, argument)
            }
            Verb::Lhlo => {
                self.unrecognised(out);
                return None;
            }
            Verb::Mail if self.is_full() => {
                let reason = CloseReason::TooManyMessages;
                self.close_with(&replies::TOO_MANY_MESSAGES, reason, out);
                return None;
            }
            Verb::Mail => self.mail(argument),
            Verb::Rcpt => self.rcpt(argument),
            Verb::StartTls => return self.start_tls(argument, glued, out),
            Verb::Xclient => self.xclient(argument),
            Verb::Xforward => self.xforward(argument),
            _ => {
                self.simple(verb, argument, out);
                return None;
            }
        };
        self.mail_refused |= verb == Verb::Mail && checked.is_err();
        match checked {
            Ok((pending, question)) => return Some(self.ask(pending, question)),
            Err(reply) if reply.code() < 500 || self.follows_refusal(verb) => self.say(reply, out),
            Err(reply) => self.error(reply, out),
        }
        None
    }

    /// Whether the command fails only because an earlier one of its pipelined group was refused:
    /// hundreds of those are in order (RFC 2920 3.1) and must not cost the connection.
    pub(super) fn follows_refusal(&self, verb: Verb) -> bool {
        match (&self.transaction, verb) {
            (None, Verb::Bdat | Verb::Data | Verb::Rcpt) => self.mail_refused,
            (Some(open), Verb::Bdat | Verb::Data) => open.recipients == 0 && open.refusals,
            _ => false,
        }
    }

    /// What stands in the way of any command but a few.
    pub(super) fn is_served(&self, verb: Verb) -> Result<(), &'static Reply<'static>> {
        if self.refused && verb != Verb::Quit {
            return Err(&replies::NO_SERVICE);
        }
        // RFC 3207 4 names NOOP, EHLO, STARTTLS and QUIT; HELO, RSET and HELP carry no mail either.
        let free = matches!(
            verb,
            Verb::Ehlo | Verb::Helo | Verb::Help | Verb::Lhlo | Verb::Noop | Verb::Quit
        ) || matches!(verb, Verb::Rset | Verb::StartTls);
        if self.settings.tls_required && !self.peer.tls && !free {
            return Err(&replies::TLS_FIRST);
        }
        Ok(())
    }

    fn unrecognised(&mut self, out: &mut Vec<u8>) {
        self.unrecognised = self.unrecognised.saturating_add(1);
        self.error(&replies::UNRECOGNISED, out);
    }

    /// Commands that nobody has to be asked about.
    fn simple(&mut self, verb: Verb, argument: Option<&[u8]>, out: &mut Vec<u8>) {
        match (verb, argument) {
            // RFC 5321 4.1.1.9: the argument of NOOP means nothing.
            (Verb::Noop, _) => self.say(&replies::OK, out),
            (Verb::Help, _) if self.settings.help => {
                self.say(&ehlo::help(&self.settings, self.peer), out);
            }
            (Verb::Quit, None) => self.close_with(&replies::BYE, CloseReason::Quit, out),
            (Verb::Rset, None) => {
                self.abandon();
                self.say(&replies::OK, out);
            }
            (Verb::Vrfy, Some(_)) => self.say(&replies::CANNOT_VERIFY, out),
            (Verb::Quit | Verb::Rset | Verb::Vrfy, _) => self.error(&replies::BAD_ARGUMENT, out),
            _ => self.error(&replies::NOT_IMPLEMENTED, out),
        }
    }

    fn hello_command<'a>(&self, verb: HelloVerb, argument: Option<&'a [u8]>) -> Checked<'a> {
        if self.settings.protocol == Protocol::Lmtp && verb != HelloVerb::Lhlo {
            return Err(&replies::USE_LHLO);
        }
        // HELO has only a domain in the grammar, but hosts without a name send their literal.
        let name = argument
            .and_then(|bytes| str::from_utf8(bytes).ok())
            .filter(|name| name.is_ascii() && name.len() <= DOMAIN_LIMIT)
            .and_then(Domain::parse)
            .ok_or(&replies::BAD_HELO)?;
        Ok((Pending::Helo(verb), Question::Helo { verb, name: name.as_str() }))
    }

    fn is_full(&self) -> bool {
        let limit = self.settings.max_messages;
        limit > 0 && self.transactions >= limit && self.transaction.is_none()
    }

    fn start_tls(
        &mut self,
        argument: Option<&[u8]>,
        glued: bool,
        out: &mut Vec<u8>,
    ) -> Option<Step<'static>> {
        let mistake = if argument.is_some() {
            &replies::BAD_ARGUMENT
        } else if !self.settings.start_tls {
            &replies::NOT_IMPLEMENTED
        } else if self.peer.tls {
            &replies::ALREADY_TLS
        } else if glued {
            // CVE-2011-0411: run after the handshake, these bytes would pass for protected ones.
            let reason = CloseReason::DataBehindStartTls;
            self.close_with(&replies::DATA_BEHIND_STARTTLS, reason, out);
            return None;
        } else {
            self.abandon();
            self.say(&replies::READY_FOR_TLS, out);
            self.state = State::Handshake;
            return Some(Step::StartTls);
        };
        self.error(mistake, out);
        None
    }

    fn xclient<'a>(&self, argument: Option<&'a [u8]>) -> Checked<'a> {
        let text = self.proxy_command(self.settings.xclient, argument)?;
        let xclient = Xclient::parse(text).ok_or(&replies::BAD_ARGUMENT)?;
        Ok((Pending::Xclient, Question::Xclient(xclient)))
    }

    fn xforward<'a>(&self, argument: Option<&'a [u8]>) -> Checked<'a> {
        let text = self.proxy_command(self.settings.xforward, argument)?;
        let xforward = Xforward::parse(text).ok_or(&replies::BAD_ARGUMENT)?;
        Ok((Pending::Xforward, Question::Xforward(xforward)))
    }

    fn proxy_command<'a>(
        &self,
        switched_on: bool,
        argument: Option<&'a [u8]>,
    ) -> Result<&'a str, &'static Reply<'static>> {
        if !switched_on {
            return Err(&replies::NOT_IMPLEMENTED);
        }
        if !self.peer.trusted_proxy {
            return Err(&replies::NOT_TRUSTED);
        }
        if self.transaction.is_some() {
            return Err(&replies::NOT_IN_TRANSACTION);
        }
        argument.and_then(|bytes| str::from_utf8(bytes).ok()).ok_or(&replies::BAD_ARGUMENT)
    }
}
