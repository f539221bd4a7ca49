//! Proceed: what the driver's answer does.

use super::{DataBody, Pending, Session, State, Transaction};
use crate::data::DotDecoder;
use crate::ehlo;
use crate::question::{Answer, CloseReason, HelloVerb};
use crate::replies;
use crate::reply::{Reply, write_lines};
use crate::settings::Protocol;

impl Session {
    /// Answers the open question. An answer that does not fit the question counts as a fault of the
    /// driver: the client gets 451 4.3.0. Without an open question nothing happens.
    pub fn answer(&mut self, answer: Answer<'_>, out: &mut Vec<u8>) {
        let State::Asked(pending) = self.state else { return };
        match answer {
            Answer::Disconnect(reply) => {
                self.say_for_others(pending, reply, out);
                return self.close_with(reply, CloseReason::Disconnected, out);
            }
            // RFC 5321 3.8: 421 announces that the connection closes.
            Answer::Reply(reply) if reply.code() == 421 => {
                return self.close_with(reply, CloseReason::Disconnected, out);
            }
            _ => {}
        }
        self.state = State::Commands;
        match pending {
            Pending::Connect => self.greet(answer, out),
            Pending::Helo(verb) => self.introduced(verb, answer, out),
            Pending::Mail { binary, prdr, smtputf8 } => {
                self.mail_refused = !self.accepted(answer, &replies::SENDER_OK, out);
                if !self.mail_refused {
                    self.transactions = self.transactions.saturating_add(1);
                    let transaction =
                        Transaction { binary, prdr, smtputf8, ..Transaction::default() };
                    self.transaction = Some(transaction);
                }
            }
            Pending::Rcpt => {
                let accepted = self.accepted(answer, &replies::RECIPIENT_OK, out);
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients += u32::from(accepted);
                    transaction.refusals |= !accepted;
                }
            }
            Pending::Data => self.data_permitted(answer, out),
            Pending::Chunk { size, last } => self.chunk_permitted(size, last, answer, out),
            Pending::Message => self.message_done(answer, out),
            Pending::Xclient => {
                // The greeting of the session that begins again is the reply.
                match refusal(answer) {
                    None => {
                        self.hello = None;
                        self.spoken_for = true;
                        self.state = State::Opening;
                    }
                    Some(reply) => self.say(reply, out),
                }
            }
            Pending::Xforward => {
                self.accepted(answer, &replies::OK, out);
            }
        }
    }

    /// RFC 5321 3.1: the codes of a greeting are 220, 554 and 421.
    fn greet(&mut self, answer: Answer<'_>, out: &mut Vec<u8>) {
        match answer {
            Answer::Greeting(text) => write_lines(out, 220, None, text),
            Answer::Reply(reply) if reply.is_positive() => {
                write_lines(out, 220, None, reply.text())
            }
            Answer::Accept => {
                let protocol = match self.settings.protocol {
                    Protocol::Lmtp => "LMTP",
                    Protocol::Smtp => "ESMTP",
                };
                write_lines(out, 220, None, &format!("{} {protocol}", self.settings.host_name));
            }
            Answer::Reply(reply) if reply.code() >= 500 => {
                self.refused = true;
                write_lines(out, 554, None, reply.text());
            }
            Answer::Reply(reply) => {
                write_lines(out, 421, None, reply.text());
                self.state = State::Closed(CloseReason::Disconnected);
            }
            Answer::Disconnect(_) | Answer::Each(_) => {
                write_lines(out, 421, None, replies::LOCAL_TROUBLE.text());
                self.state = State::Closed(CloseReason::Disconnected);
            }
        }
    }

    /// A refused HELO changes nothing; an accepted one begins anew (RFC 5321 4.1.4).
    fn introduced(&mut self, verb: HelloVerb, answer: Answer<'_>, out: &mut Vec<u8>) {
        if let Some(reply) = refusal(answer) {
            return reply.write_plain(out);
        }
        self.abandon();
        self.hello = Some(verb);
        match verb {
            HelloVerb::Helo => {
                write_lines(out, 250, None, &format!("{} Hello", self.settings.host_name));
            }
            HelloVerb::Ehlo | HelloVerb::Lhlo => {
                ehlo::write_extensions(&self.settings, self.peer, out);
            }
        }
    }

    fn data_permitted(&mut self, answer: Answer<'_>, out: &mut Vec<u8>) {
        if let Some(reply) = refusal(answer) {
            return self.say(reply, out);
        }
        // No byte of the message has come: better it goes to another server at once.
        self.drain(out);
        if matches!(self.state, State::Commands) {
            self.say(&replies::START_DATA, out);
            let decoder = DotDecoder::new(self.settings.bare_newline);
            self.state = State::Data(DataBody { decoder, size: 0, refusal: None });
        }
    }

    fn chunk_permitted(&mut self, size: u64, last: bool, answer: Answer<'_>, out: &mut Vec<u8>) {
        // The refusal is given when the chunk has been skipped, so it has to be kept until then.
        let refusal = refusal(answer).map(|reply| {
            let text = reply.text().to_owned();
            Reply::new(reply.code(), reply.enhanced(), text)
                .unwrap_or_else(|_| replies::LOCAL_TROUBLE.clone())
        });
        self.begin_chunk(size, last, refusal, out);
    }

    fn message_done(&mut self, answer: Answer<'_>, out: &mut Vec<u8>) {
        let transaction = self.transaction.take().unwrap_or_default();
        let recipients = transaction.recipients as usize;
        match self.settings.protocol {
            Protocol::Lmtp => self.each_reply(answer, recipients, out),
            Protocol::Smtp => match answer {
                Answer::Each(replies) if transaction.prdr && recipients > 1 => {
                    self.say(&replies::EACH_FOLLOWS, out);
                    self.each_reply(answer, recipients, out);
                    self.say(overall(replies, recipients), out);
                }
                Answer::Each(replies) => self.say(overall_strict(replies, recipients), out),
                answer => {
                    self.accepted(answer, &replies::OK, out);
                }
            },
        }
    }

    /// RFC 2033 4.2: one reply for each accepted recipient, in order. Those without one get 451.
    fn each_reply(&self, answer: Answer<'_>, recipients: usize, out: &mut Vec<u8>) {
        for at in 0..recipients {
            match answer {
                Answer::Each(replies) => {
                    self.say(replies.get(at).unwrap_or(&replies::LOCAL_TROUBLE), out);
                }
                answer => {
                    self.accepted(answer, &replies::OK, out);
                }
            }
        }
    }

    /// RFC 2033 4.2 also holds for the last words: all recipients but one get theirs here. 421 is said once, it stands for whatever
    /// is open.
    fn say_for_others(&self, pending: Pending, reply: &Reply<'_>, out: &mut Vec<u8>) {
        let is_each =
            self.settings.protocol == Protocol::Lmtp && matches!(pending, Pending::Message);
        if is_each && reply.code() != 421 {
            (1..self.recipients()).for_each(|_| self.say(reply, out));
        }
    }

    /// Writes the reply to a question that is answered by yes or no; true for yes.
    fn accepted(&self, answer: Answer<'_>, standard: &Reply<'_>, out: &mut Vec<u8>) -> bool {
        if let Some(reply) = refusal(answer) {
            self.say(reply, out);
            return false;
        }
        match answer {
            Answer::Reply(reply) => self.say(reply, out),
            _ => self.say(standard, out),
        }
        true
    }
}

/// The last reply of PRDR: yes if anybody has the message.
fn overall<'r>(replies: &'r [Reply<'r>], recipients: usize) -> &'r Reply<'r> {
    let replies = &replies[..replies.len().min(recipients)];
    let kept = replies.iter().find(|reply| reply.is_positive());
    kept.or_else(|| replies.first()).unwrap_or(&replies::LOCAL_TROUBLE)
}

/// One reply for all: the worst, see [`Answer::Each`].
fn overall_strict<'r>(replies: &'r [Reply<'r>], recipients: usize) -> &'r Reply<'r> {
    if replies.len() < recipients {
        return &replies::LOCAL_TROUBLE;
    }
    let class = |class: u16| replies.iter().find(move |reply| reply.code() / 100 == class);
    class(4).or_else(|| class(5)).or_else(|| replies.first()).unwrap_or(&replies::LOCAL_TROUBLE)
}

/// The reply that says no, if the answer does; a fault of the driver is a no as well.
fn refusal<'r>(answer: Answer<'r>) -> Option<&'r Reply<'r>> {
    match answer {
        Answer::Accept => None,
        Answer::Reply(reply) if reply.is_positive() => None,
        Answer::Disconnect(reply) | Answer::Reply(reply) => Some(reply),
        Answer::Each(_) | Answer::Greeting(_) => Some(&replies::LOCAL_TROUBLE),
    }
}
