//! One message on its way, step by step.

use std::sync::Arc;

use guerrilla_plugin_abi::Status;

use super::answer::Answer;
use super::envelope::Envelope;
use super::harness::Harness;
use super::host_table;
use super::lent::{Lent, keep_bytes};
use crate::plugin::Plugin;
use crate::verdict::Verdict;
use crate::vocabulary::{Event, Phase, Scope};

/// A transaction, asked and told about one step at a time.
///
/// What the processor has made of it can be read at any time, and what other stages do can be played in between.
pub struct InTransit<'a, P: Plugin> {
    harness: &'a Harness<P>,
    lent: Arc<Lent>,
}

impl<'a, P: Plugin> InTransit<'a, P> {
    pub(super) fn new(harness: &'a Harness<P>, envelope: Envelope) -> Self {
        Self { harness, lent: Lent::new(envelope) }
    }

    /// Asks a question and waits for the answer.
    ///
    /// # Panics
    /// When the processor does not name the phase in [`Plugin::PHASES`]: no host would ask it.
    #[track_caller]
    pub fn ask(&mut self, phase: Phase) -> Answer {
        self.submit(phase).unwrap_or_else(|| self.wait())
    }

    /// Asks a question; `None` when the processor has taken hold to answer later (and may have done so by now):
    /// [`wait`](Self::wait) for it then. So one thread can have many messages under way.
    ///
    /// # Panics
    /// As [`ask`](Self::ask).
    #[track_caller]
    pub fn submit(&mut self, phase: Phase) -> Option<Answer> {
        let named = P::PHASES.contains(&phase);
        assert!(named, "{} does not name {phase:?} in PHASES: it would never be asked", P::NAME);
        self.lent.state().envelope.reply = None;
        let txn = self.lent.ask(phase.number());
        let status = self.harness.instance().process(phase.number(), txn);
        self.returned(status)
    }

    /// Waits for the answer that [`submit`](Self::submit) or [`submit_settled`](Self::submit_settled) has left open.
    pub fn wait(&mut self) -> Answer {
        match self.lent.wait() {
            Some((status, why)) => self.read(status, why),
            None => Answer::fault("taken hold of and not completed".to_owned()),
        }
    }

    /// Tells the end of the whole chain, as [`Plugin::settled`] hears it. Only an awaited stage's answer matters.
    ///
    /// # Panics
    /// When the processor does not name [`Event::Settled`] in [`Plugin::EVENTS`].
    #[track_caller]
    pub fn settle(&mut self, chain: &Verdict) -> Answer {
        self.submit_settled(chain).unwrap_or_else(|| self.wait())
    }

    /// Tells the end of the whole chain as [`settle`](Self::settle) does; `None` when the processor has taken hold to
    /// answer later: [`wait`](Self::wait) for it then.
    ///
    /// # Panics
    /// As [`settle`](Self::settle).
    #[track_caller]
    pub fn submit_settled(&mut self, chain: &Verdict) -> Option<Answer> {
        let outcome = Answer::read(chain.status, None, None).outcome();
        self.lent.state().envelope.outcome = Some(outcome);
        self.tell(Event::Settled)
    }

    #[track_caller]
    pub(super) fn settle_as(&mut self, outcome: Status) -> Answer {
        self.lent.state().envelope.outcome = Some(outcome);
        self.tell(Event::Settled).unwrap_or_else(|| self.wait())
    }

    /// Tells a fact; `None` when it was an awaited one and the processor has taken hold.
    #[track_caller]
    pub(super) fn tell(&mut self, event: Event) -> Option<Answer> {
        let named = P::EVENTS.contains(&event);
        assert!(named, "{} does not name {event:?} in EVENTS: it would never be told", P::NAME);
        self.lent.state().envelope.reply = None;
        let awaited = P::AWAITS_SETTLED && event == Event::Settled;
        let status = self.harness.instance().event(event.number(), self.lent.tell(awaited));
        self.returned(status)
    }

    /// Plays another stage that gives one recipient a verdict.
    pub fn set_recipient(&mut self, index: usize, verdict: Verdict) {
        let mut state = self.lent.state();
        if let Some(recipient) = state.envelope.recipients.get_mut(index) {
            recipient.verdict = Some((verdict.status, verdict.reply));
        }
    }

    /// Plays another stage that leaves a note.
    pub fn set_note(&mut self, key: &str, value: &[u8]) {
        self.lent.state().envelope.notes.insert(key.to_owned(), keep_bytes(value));
    }

    /// The verdict that one recipient has got, if it has.
    pub fn recipient(&self, index: usize) -> Option<Answer> {
        let state = self.lent.state();
        let verdict = state.envelope.recipients.get(index)?.verdict.as_ref();
        verdict.map(|(status, reply)| Answer::read(*status, reply.clone(), None))
    }

    /// The message as it would be stored: delivery header, added header fields, the rest without the removed ones.
    pub fn stored(&self) -> Vec<u8> {
        self.lent.state().envelope.stored()
    }

    /// Value of the first header field of that name in the message as it would be stored.
    pub fn header(&self, name: &str) -> Option<String> {
        let stored = self.stored();
        let mut fields = super::envelope::fields(&stored).into_iter();
        let field = fields
            .find(|field| stored[field.name.clone()].eq_ignore_ascii_case(name.as_bytes()))?;
        Some(String::from_utf8_lossy(&stored[field.value]).into_owned())
    }

    /// A note that is left.
    pub fn note(&self, scope: Scope, key: &str) -> Option<Vec<u8>> {
        let txn = self.lent.reading();
        txn.vt.note()(txn.ctx, scope.number(), key.into()).into_option().map(|v| v.to_vec())
    }

    /// The id it is acknowledged with.
    pub fn queued_id(&self) -> String {
        self.lent.state().envelope.queued_id.to_owned()
    }

    /// The decoded subject, if it was set.
    pub fn subject(&self) -> Option<String> {
        self.lent.state().envelope.subject.map(str::to_owned)
    }

    /// The hashes that were added.
    pub fn hashes(&self) -> Vec<String> {
        self.lent.state().envelope.hashes.iter().map(|hash| (*hash).to_owned()).collect()
    }

    pub(super) fn envelope<T>(&mut self, change: impl FnOnce(&mut Envelope) -> T) -> T {
        change(&mut self.lent.state().envelope)
    }

    /// What a call has come to, unless the processor has taken hold.
    fn returned(&self, status: Status) -> Option<Answer> {
        let returned = self.lent.returned(status, host_table::explained());
        returned.map(|(status, why)| self.read(status, why))
    }

    fn read(&self, status: Status, why: Option<String>) -> Answer {
        let reply = self.lent.state().envelope.reply.take();
        Answer::read(status, reply, why.filter(|_| status.is_fault()))
    }
}

impl<P: Plugin> Drop for InTransit<'_, P> {
    fn drop(&mut self) {
        self.lent.forget();
    }
}
