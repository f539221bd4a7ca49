//! Check: the commands that build an envelope, MAIL, RCPT, DATA and BDAT.
//!
//! **Standards:** RFC 5321 4.1.1.2 to 4.1.1.4, RFC 3030 2.

use super::verbs::Checked;
use super::{ChunkBody, Pending, Session, State};
use crate::bdat::Chunk;
use crate::command::Verb;
use crate::parameters::{BodyType, MailParameters, Offered, ParameterError, RcptParameters};
use crate::path::{PathError, forward_path, reverse_path};
use crate::question::{CloseReason, HelloVerb, Question, Step};
use crate::replies;
use crate::reply::Reply;
use crate::settings::Protocol;

impl Session {
    pub(super) fn mail<'a>(&self, argument: Option<&'a [u8]>) -> Checked<'a> {
        if self.settings.require_helo && self.hello.is_none() {
            return Err(&replies::HELO_FIRST);
        }
        if self.transaction.is_some() {
            return Err(&replies::NESTED_MAIL);
        }
        let text = behind(b"FROM:", argument)?.ok_or(&replies::BAD_SENDER)?;
        let (path, rest) = reverse_path(text).map_err(|error| match error {
            PathError::Syntax => &replies::BAD_SENDER,
            PathError::TooLong => &replies::SENDER_TOO_LONG,
        })?;
        let parameters = MailParameters::parse(rest, self.offered()).map_err(parameter_reply)?;
        ascii_or_utf8(text, rest, parameters.smtputf8)?;
        let binary = parameters.body == Some(BodyType::BinaryMime);
        let MailParameters { prdr, smtputf8, .. } = parameters;
        let pending = Pending::Mail { binary, prdr, smtputf8 };
        Ok((pending, Question::Mail { path, parameters }))
    }

    pub(super) fn rcpt<'a>(&self, argument: Option<&'a [u8]>) -> Checked<'a> {
        let transaction = self.transaction.as_ref().ok_or(&replies::MAIL_FIRST)?;
        if transaction.chunked {
            return Err(&replies::CHUNKS_OUT_OF_ORDER);
        }
        let text = behind(b"TO:", argument)?.ok_or(&replies::BAD_RECIPIENT)?;
        let (path, rest) = forward_path(text).map_err(|error| match error {
            PathError::Syntax => &replies::BAD_RECIPIENT,
            PathError::TooLong => &replies::RECIPIENT_TOO_LONG,
        })?;
        let parameters = RcptParameters::parse(rest, self.offered()).map_err(parameter_reply)?;
        ascii_or_utf8(text, rest, transaction.smtputf8)?;
        if transaction.recipients >= self.settings.max_rcpt {
            return Err(&replies::TOO_MANY_RECIPIENTS);
        }
        Ok((Pending::Rcpt, Question::Rcpt { path, parameters }))
    }

    pub(super) fn data(&self, argument: Option<&[u8]>) -> Checked<'static> {
        if argument.is_some() {
            return Err(&replies::BAD_ARGUMENT);
        }
        self.has_recipients()?;
        match &self.transaction {
            Some(transaction) if transaction.chunked => Err(&replies::CHUNKS_OUT_OF_ORDER),
            Some(transaction) if transaction.binary => Err(&replies::BINARY_NEEDS_BDAT),
            _ => Ok((Pending::Data, Question::Data)),
        }
    }

    fn has_recipients(&self) -> Result<(), &'static Reply<'static>> {
        let transaction = self.transaction.as_ref().ok_or(&replies::MAIL_FIRST)?;
        match transaction.recipients {
            // RFC 2033 4.2 wants 503 in both cases.
            0 if transaction.refusals && self.settings.protocol == Protocol::Smtp => {
                Err(&replies::NO_VALID_RECIPIENTS)
            }
            0 => Err(&replies::RECIPIENT_FIRST),
            _ => Ok(()),
        }
    }

    /// RFC 3030 2: whatever is wrong, the announced octets are on their way and are skipped before
    /// the answer.
    pub(super) fn bdat(
        &mut self,
        argument: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Option<Step<'static>> {
        let (size, last, refusal) = match Chunk::parse(argument) {
            Chunk::NoSize => {
                self.error(&replies::BAD_ARGUMENT, out);
                return None;
            }
            Chunk::Endless => {
                self.close_with(&replies::TOO_BIG, CloseReason::OutOfStep, out);
                return None;
            }
            Chunk::Malformed { size } => (size, false, Some(&replies::BAD_ARGUMENT)),
            Chunk::Sized { size, last } => (size, last, self.is_chunk_welcome(size).err()),
        };
        let first = self.transaction.as_ref().is_some_and(|transaction| !transaction.chunked);
        if refusal.is_none() && first {
            return Some(self.ask(Pending::Chunk { size, last }, Question::Data));
        }
        self.begin_chunk(size, last, refusal.cloned(), out);
        None
    }

    fn is_chunk_welcome(&self, size: u64) -> Result<(), &'static Reply<'static>> {
        self.is_served(Verb::Bdat)?;
        if self.hello == Some(HelloVerb::Helo) {
            return Err(&replies::CHUNKS_OUT_OF_ORDER);
        }
        self.has_recipients()?;
        let before = self.transaction.as_ref().map_or(0, |transaction| transaction.size);
        if before.saturating_add(size) > self.settings.size_limit() {
            return Err(&replies::TOO_BIG);
        }
        Ok(())
    }

    /// Goes on to the octets of a chunk, to be kept or to be skipped.
    pub(super) fn begin_chunk(
        &mut self,
        size: u64,
        last: bool,
        refusal: Option<Reply<'static>>,
        out: &mut Vec<u8>,
    ) {
        if refusal.is_some() && size > self.skip_allowance() {
            return self.close_with(&replies::TOO_BIG, CloseReason::TooMuchData, out);
        }
        if let Some(transaction) = &mut self.transaction
            && refusal.is_none()
        {
            transaction.chunked = true;
            transaction.size = transaction.size.saturating_add(size);
        }
        self.state = State::Chunk(ChunkBody { left: size, last, refusal });
    }

    fn offered(&self) -> Offered<'_> {
        Offered {
            settings: &self.settings,
            extensions: self.hello != Some(HelloVerb::Helo),
            tls: self.peer.tls,
        }
    }
}

/// What stands behind `FROM:` or `TO:`. `Ok(None)`: it is not UTF-8.
fn behind<'a>(
    keyword: &[u8],
    argument: Option<&'a [u8]>,
) -> Result<Option<&'a str>, &'static Reply<'static>> {
    let (head, rest) = argument
        .and_then(|argument| argument.split_at_checked(keyword.len()))
        .filter(|(head, _)| head.eq_ignore_ascii_case(keyword))
        .ok_or(&replies::BAD_ARGUMENT)?;
    debug_assert_eq!(head.len(), keyword.len());
    Ok(str::from_utf8(rest).ok())
}

/// RFC 6531 3.5: beyond ASCII only with SMTPUTF8.
fn ascii_or_utf8(
    text: &str,
    parameters: &str,
    smtputf8: bool,
) -> Result<(), &'static Reply<'static>> {
    if smtputf8 || text.is_ascii() {
        return Ok(());
    }
    Err(if parameters.is_ascii() { &replies::NEEDS_SMTPUTF8 } else { &replies::BAD_PARAMETER })
}

const fn parameter_reply(error: ParameterError) -> &'static Reply<'static> {
    match error {
        ParameterError::Syntax => &replies::BAD_PARAMETER,
        ParameterError::TooBig => &replies::TOO_BIG,
        ParameterError::Unknown => &replies::UNKNOWN_PARAMETER,
    }
}
