//! A client's connection and the messages it brings.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use guerrilla_plugin_abi::Status;

use super::answer::{Answer, Kind};
use super::envelope::{Envelope, Mailbox, Notes};
use super::harness::Harness;
use super::lent::{keep, keep_bytes};
use super::mail::{Mail, Session};
use super::transit::InTransit;
use crate::plugin::Plugin;
use crate::vocabulary::{Event, Phase};

/// A client that is connected. Notes of the session live as long as it; dropping it ends the connection.
pub struct Connection<'a, P: Plugin> {
    harness: &'a Harness<P>,
    session: Arc<Session>,
    id: &'static str,
    notes: Arc<Mutex<Notes>>,
    messages: u64,
    answer: Answer,
}

/// What became of a message.
///
/// It is the [`Answer`] that the client hears, and the [`InTransit`] to look at what was made of the message.
pub struct Delivery<'a, P: Plugin> {
    /// Recipients that were refused before the message came, and how.
    pub refused: Vec<(String, Answer)>,
    /// The message.
    pub mail: InTransit<'a, P>,
    lmtp: bool,
    answer: Answer,
}

impl<'a, P: Plugin> Connection<'a, P> {
    pub(super) fn open(harness: &'a Harness<P>, session: Session, number: u64) -> Self {
        let mut connection = Self {
            harness,
            session: Arc::new(session),
            id: keep(&format!("session-{number}")),
            notes: Arc::default(),
            messages: 0,
            answer: Answer::bare(Kind::Continue),
        };
        connection.tell(Event::Opened);
        for phase in [Phase::Connect, Phase::Helo] {
            if connection.answer.is_accepted() && P::PHASES.contains(&phase) {
                connection.answer = connection.transit().ask(phase);
            }
        }
        connection
    }

    /// What the client has heard so far: the answer of `connect` or, if that was no refusal, of `helo`.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Delivers a message: asks and tells the processor everything it wants to be asked and told, in the host's order,
    /// as the only stage of its chains.
    pub fn deliver(&mut self, mail: Mail) -> Delivery<'a, P> {
        let recipients = mail.recipients();
        let mut transit = self.begin(mail);
        // They come one by one.
        transit.envelope(|envelope| envelope.recipients.clear());
        let mut delivery = Delivery {
            refused: Vec::new(),
            mail: transit,
            lmtp: self.session.is_lmtp(),
            answer: self.answer.clone(),
        };
        if delivery.answer.is_accepted() {
            delivery.ask(Phase::Mail);
        }
        if delivery.answer.is_accepted() {
            delivery.ask_recipients(recipients);
        }
        if delivery.answer.is_accepted() {
            delivery.save();
        }
        self.messages += u64::from(delivery.is_accepted());
        delivery
    }

    /// Begins a message with all its recipients, without asking anything.
    pub fn begin(&mut self, mail: Mail) -> InTransit<'a, P> {
        let number = self.harness.next_number();
        let mut transit = self.transit();
        transit.envelope(|envelope| {
            let id = mail.queued_id.clone().unwrap_or_else(|| format!("mail-{number}"));
            envelope.queued_id = keep(&id);
            envelope.sender = Some(Mailbox::new(mail.sender()));
            envelope.sender_parameters = keep(&mail.from_parameters);
            envelope.body = keep_bytes(&mail.message());
            for (address, parameters) in mail.recipients() {
                envelope.push_recipient(&address, &parameters);
            }
        });
        transit
    }

    fn transit(&self) -> InTransit<'a, P> {
        let (session, notes) = (Arc::clone(&self.session), Arc::clone(&self.notes));
        InTransit::new(self.harness, Envelope::new(session, self.id, notes, self.messages))
    }

    fn tell(&self, event: Event) {
        if P::EVENTS.contains(&event) {
            self.transit().tell(event);
        }
    }
}

impl<P: Plugin> Drop for Connection<'_, P> {
    fn drop(&mut self) {
        self.tell(Event::Closed);
    }
}

impl<P: Plugin> Delivery<'_, P> {
    /// What the client hears about one recipient over LMTP: its own verdict, or the one of all.
    pub fn answer_to(&self, index: usize) -> Answer {
        let own = self.mail.recipient(index).filter(|own| *own != Answer::bare(Kind::Continue));
        own.filter(|_| self.lmtp).unwrap_or_else(|| self.answer.clone())
    }

    fn ask(&mut self, phase: Phase) {
        if P::PHASES.contains(&phase) {
            self.answer = self.mail.ask(phase);
        }
    }

    /// Offers recipient after recipient; those refused do not stay.
    fn ask_recipients(&mut self, recipients: Vec<(String, String)>) {
        let mut last = Answer::bare(Kind::Continue);
        for (address, parameters) in recipients {
            self.mail.envelope(|envelope| envelope.push_recipient(&address, &parameters));
            self.ask(Phase::Rcpt);
            if !self.answer.is_accepted() {
                self.mail.envelope(|envelope| envelope.recipients.pop());
                last = self.answer.clone();
                self.refused.push((address, last.clone()));
            }
        }
        let none_left = self.mail.envelope(|envelope| envelope.recipients.is_empty());
        self.answer = if none_left { last } else { Answer::bare(Kind::Continue) };
    }

    fn save(&mut self) {
        self.ask(Phase::Save);
        if self.answer.kind == Kind::Continue && !self.lmtp {
            self.merge_recipients();
        }
        if P::EVENTS.contains(&Event::Settled) {
            let settled = self.mail.settle_as(self.answer.outcome());
            if P::AWAITS_SETTLED && self.answer.is_accepted() && !settled.is_accepted() {
                let reply = settled.reply.filter(|reply| reply.code / 100 == 4);
                self.answer = Answer { kind: Kind::Defer, reply };
            }
        }
    }

    /// Where one reply stands for all, the worst verdict of a recipient is that of all; deferring comes first.
    fn merge_recipients(&mut self) {
        let worst = self.mail.envelope(|envelope| {
            let of = |wanted: Status| {
                let verdicts = envelope.recipients.iter().filter_map(|to| to.verdict.as_ref());
                verdicts.into_iter().find(|verdict| verdict.0 == wanted).cloned()
            };
            of(Status::DEFER).or_else(|| of(Status::REJECT))
        });
        if let Some((status, reply)) = worst {
            self.answer = Answer::read(status, reply, None);
        }
    }
}

impl<P: Plugin> Deref for Delivery<'_, P> {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}
