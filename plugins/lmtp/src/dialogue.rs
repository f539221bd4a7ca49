//! One transaction with the store, without sockets: replies in, commands and answers for each recipient out.
//!
//! DATA waits for the replies to all RCPT, also where PIPELINING is offered: between neighbours the round trip costs nothing, and
//! a message that not everybody may have can still be called off.
//!
//! Standards: RFC 2033 section 4.2 (a reply for each accepted recipient, in their order), RFC 2920 section 3.1.

use crate::envelope::{Envelope, Offer};
use crate::reply::{Malformed, Reply};

/// A transaction under way.
#[derive(Debug)]
pub(crate) struct Dialogue<'e> {
    envelope: &'e Envelope,
    offer: &'e Offer,
    /// Whether the message is for all recipients or for none.
    all_or_none: bool,
    state: State,
    /// Commands of the envelope that are sent: MAIL, and RCPT for each recipient.
    sent: usize,
    /// Those that are answered.
    heard: usize,
    answers: Vec<Option<Reply>>,
    /// Recipients whose reply behind the data is to come, in order.
    pending: Vec<usize>,
    is_clean: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Envelope,
    Data,
    Message,
    Delivery,
    Reset,
    Finished,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send what was appended, if anything, and read a reply.
    Read,
    /// Send the message, and read a reply.
    SendMessage,
    /// Nothing: every recipient has its answer.
    Finished,
}

impl<'e> Dialogue<'e> {
    pub(crate) fn new(envelope: &'e Envelope, offer: &'e Offer, all_or_none: bool) -> Self {
        let answers = vec![None; envelope.recipients.len()];
        let mut dialogue = Self {
            envelope,
            offer,
            all_or_none,
            state: State::Envelope,
            sent: 0,
            heard: 0,
            answers,
            pending: Vec::new(),
            is_clean: true,
        };
        if let Some(obstacle) = envelope.obstacle(offer) {
            dialogue.finish_with(&obstacle);
        }
        dialogue
    }

    /// Appends what is to be sent now.
    pub(crate) fn step(&mut self, out: &mut Vec<u8>) -> Step {
        match self.state {
            State::Envelope => {
                let all = self.envelope.recipients.len() + 1;
                while self.sent < all && (self.offer.pipelining || self.sent == self.heard) {
                    let command = match self.sent.checked_sub(1) {
                        None => self.envelope.mail(self.offer),
                        Some(index) => self.envelope.rcpt(index),
                    };
                    out.extend_from_slice(command.as_bytes());
                    self.sent += 1;
                }
                Step::Read
            }
            State::Data if self.sent == self.heard => {
                out.extend_from_slice(b"DATA\r\n");
                self.sent += 1;
                Step::Read
            }
            State::Reset if self.sent == self.heard => {
                out.extend_from_slice(b"RSET\r\n");
                self.sent += 1;
                Step::Read
            }
            State::Message => {
                self.state = State::Delivery;
                Step::SendMessage
            }
            State::Data | State::Reset | State::Delivery => Step::Read,
            State::Finished => Step::Finished,
        }
    }

    /// Takes the next reply.
    pub(crate) fn receive(&mut self, reply: Reply) -> Result<(), Malformed> {
        if self.state != State::Delivery {
            self.heard += 1;
        }
        match self.state {
            State::Envelope => self.of_envelope(reply),
            State::Data if reply.code == 354 => self.state = State::Message,
            // RFC 5321 section 4.1.1.4: the transaction is in an unknown state now.
            State::Data if !reply.is_positive() => self.finish_with(&reply),
            State::Delivery => self.of_delivery(reply),
            State::Reset => self.finish(reply.is_positive()),
            State::Data | State::Message | State::Finished => {
                return Err(Malformed::Line(format!("{} where none was due", reply.code)));
            }
        }
        Ok(())
    }

    /// The connection is lost, or the time is over: whether nothing of the message can have been delivered.
    pub(crate) fn may_be_repeated(&self) -> bool {
        !matches!(self.state, State::Delivery | State::Finished)
    }

    /// Whether the next transaction may follow on the same connection.
    pub(crate) fn is_clean(&self) -> bool {
        self.state == State::Finished && self.is_clean
    }

    /// What each recipient was answered, as far as it is known.
    pub(crate) fn answers(self) -> Vec<Option<Reply>> {
        self.answers
    }

    fn of_envelope(&mut self, reply: Reply) {
        match self.heard.checked_sub(2) {
            // MAIL; without it no RCPT can be accepted, whatever is under way.
            None if !reply.is_positive() => {
                self.finish_with(&reply);
                return;
            }
            None => {}
            Some(index) if reply.is_positive() => self.pending.push(index),
            Some(index) => self.answers[index] = Some(reply),
        }
        if self.heard <= self.envelope.recipients.len() {
            return;
        }
        let refused = self.pending.len() < self.envelope.recipients.len();
        let is_question = self.envelope.size.is_none();
        if is_question {
            for index in self.pending.drain(..) {
                self.answers[index] = Some(fine());
            }
            self.state = State::Reset;
        } else if self.pending.is_empty() || (self.all_or_none && refused) {
            self.state = State::Reset;
        } else {
            self.state = State::Data;
        }
    }

    fn of_delivery(&mut self, reply: Reply) {
        let index = self.pending.remove(0);
        self.answers[index] = Some(reply);
        if self.pending.is_empty() {
            self.state = State::Finished;
        }
    }

    /// Gives all that have no answer this one. What else is under way on the connection is not waited for.
    fn finish_with(&mut self, reply: &Reply) {
        for answer in &mut self.answers {
            answer.get_or_insert_with(|| reply.clone());
        }
        self.pending.clear();
        self.finish(self.sent == 0);
    }

    fn finish(&mut self, is_clean: bool) {
        self.state = State::Finished;
        self.is_clean = is_clean;
    }
}

fn fine() -> Reply {
    Reply { code: 250, enhanced: "2.1.5".to_owned(), lines: vec![String::new()] }
}

#[cfg(test)]
mod tests;
