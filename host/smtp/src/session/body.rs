//! The bytes of a message, by DATA and by BDAT, kept or skipped.
//!
//! Whatever goes wrong inside a message, the session reads on to its true end and answers there, so
//! that no byte of it is ever taken for a command. Only a client that goes on far beyond the limit
//! is cut off.

use super::{ChunkBody, DataBody, Pending, Session, State};
use crate::command::Verb;
use crate::data::Decoded;
use crate::question::{CloseReason, Question, Step};
use crate::replies;
use crate::reply::Reply;
use crate::settings::Protocol;

impl Session {
    pub(super) fn data_bytes<'a>(
        &mut self,
        input: &'a [u8],
        out: &mut Vec<u8>,
    ) -> (usize, Option<Step<'a>>) {
        let (limit, allowance) = (self.settings.size_limit(), self.skip_allowance());
        let State::Data(body) = &mut self.state else { return (0, None) };
        let (used, decoded) = body.decoder.decode(input);
        let step = match decoded {
            Decoded::NeedInput => Some(Step::NeedInput),
            Decoded::BareNewline => {
                body.size = body.size.saturating_add(1);
                body.refuse(&replies::BARE_NEWLINE)
            }
            Decoded::Bytes(bytes) => {
                body.size = body.size.saturating_add(bytes.len() as u64);
                if body.size > allowance {
                    self.close_with(&replies::TOO_BIG, CloseReason::TooMuchData, out);
                    None
                } else if body.size > limit {
                    body.refuse(&replies::TOO_BIG)
                } else if body.refusal.is_some() {
                    None
                } else {
                    Some(Step::Body(bytes))
                }
            }
            Decoded::End => match body.refusal.take() {
                None => Some(self.ask(Pending::Message, Question::Message)),
                Some(reply) => {
                    self.refuse_message(&reply, out);
                    None
                }
            },
        };
        (used, step)
    }

    pub(super) fn chunk_bytes<'a>(
        &mut self,
        input: &'a [u8],
        out: &mut Vec<u8>,
    ) -> (usize, Option<Step<'a>>) {
        let State::Chunk(chunk) = &mut self.state else { return (0, None) };
        if chunk.left == 0 {
            return (0, self.chunk_complete(out));
        }
        let used = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(input.len());
        chunk.left -= used as u64;
        let step = if used == 0 {
            Some(Step::NeedInput)
        } else if chunk.refusal.is_some() {
            None
        } else {
            Some(Step::Body(&input[..used]))
        };
        (used, step)
    }

    fn chunk_complete(&mut self, out: &mut Vec<u8>) -> Option<Step<'static>> {
        let state = std::mem::replace(&mut self.state, State::Commands);
        let State::Chunk(ChunkBody { last, refusal, .. }) = state else { return None };
        match refusal {
            None if last => Some(self.ask(Pending::Message, Question::Message)),
            None => {
                self.say(&replies::CHUNK_OK, out);
                None
            }
            Some(reply) => self.chunk_refused(&reply, last, out).then_some(Step::Spoilt(reply)),
        }
    }

    /// A failed chunk spoils the message (RFC 3030 2): the transaction ends, so that the chunks that are under way already get
    /// 503. Where nobody was to have it, only a chunk with others behind it does: whoever is accepted before those would get
    /// a message without its beginning. True when a transaction has ended so.
    fn chunk_refused(&mut self, reply: &Reply<'static>, last: bool, out: &mut Vec<u8>) -> bool {
        let is_for_nobody = self.recipients() == 0;
        let spoils = self.transaction.is_some() && !(last && is_for_nobody);
        if is_for_nobody && !self.follows_refusal(Verb::Bdat) {
            self.error(reply, out);
        } else if last && !is_for_nobody {
            self.refuse_message(reply, out);
        } else {
            self.say(reply, out);
        }
        if spoils {
            self.transaction = None;
            self.mail_refused = true; // the chunks under way are excused
        }
        spoils
    }

    /// The answer at the end of a message that a rule of the protocol has spoilt.
    fn refuse_message(&mut self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        let times = match self.settings.protocol {
            Protocol::Lmtp => self.recipients(), // RFC 2033 4.2
            Protocol::Smtp => 1,
        };
        for _ in 0..times {
            self.say(reply, out);
        }
        self.transaction = None;
        self.state = State::Commands;
    }

    /// How many octets of one message are read at most, if only to skip them.
    pub(super) fn skip_allowance(&self) -> u64 {
        self.settings.size_limit().saturating_mul(EXCESS_FACTOR).max(SMALLEST_ALLOWANCE)
    }
}

impl DataBody {
    /// From here on the data is skipped; the driver hears of it once.
    fn refuse(&mut self, reply: &Reply<'static>) -> Option<Step<'static>> {
        if self.refusal.is_some() {
            return None;
        }
        self.refusal = Some(reply.clone());
        Some(Step::Spoilt(reply.clone()))
    }
}

/// A message of many times the limit is not an honest mistake; reading on would only feed it.
const EXCESS_FACTOR: u64 = 8;

/// With a tiny limit an honest mistake is larger than a few times the limit.
const SMALLEST_ALLOWANCE: u64 = 16 << 20;
