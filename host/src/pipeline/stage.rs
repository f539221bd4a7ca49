//! One place in a chain.

use std::sync::Arc;

use guerrilla_plugin_abi::{Blocking, Event, Phase, Status};

use super::breaker::Breaker;
use super::pool::Pool;
use crate::config::OnFault;
use crate::mail::Transaction;
use crate::plugins::ffi::{Called, Instance};
use crate::plugins::manifest::Processor;

/// A processor at work in one or more chains.
pub(crate) struct Stage {
    /// Its name in the chain.
    pub(super) name: String,
    /// What its faults mean, and whether there have been too many.
    pub(super) breaker: Breaker,
    instance: Arc<Instance>,
    events: Vec<Event>,
    awaits_settled: bool,
    never_blocks_in: Vec<Phase>,
    /// ESMTP extensions that it fulfils.
    pub(super) honours: Vec<String>,
    /// The threads it is called on; none for one that never blocks.
    pool: Option<Pool>,
}

/// The transaction did not come back: no thread could be had.
pub(super) struct Lost;

impl Stage {
    /// Puts an instance to work under this name, with so many threads, should it block.
    pub(super) fn new(
        name: &str,
        processor: &Processor,
        instance: Instance,
        threads: usize,
        on_fault: OnFault,
    ) -> Self {
        let inline = processor.blocking == Blocking::NEVER;
        Self {
            name: name.to_owned(),
            breaker: Breaker::new(on_fault),
            instance: Arc::new(instance),
            events: processor.events.clone(),
            awaits_settled: processor.awaits_settled,
            never_blocks_in: processor.never_blocks_in.clone(),
            honours: processor.honours.clone(),
            pool: (!inline).then(|| Pool::new(name, threads)),
        }
    }

    /// Lets it open what it needs.
    pub(super) fn start(&self) -> Result<(), String> {
        self.instance.start()
    }

    /// Whether it is asked on the connection's own thread in this phase.
    pub(super) fn is_inline_in(&self, phase: Phase) -> bool {
        self.is_inline() || self.never_blocks_in.contains(&phase)
    }

    /// Whether it is always called on the connection's own thread.
    pub(super) fn is_inline(&self) -> bool {
        self.pool.is_none()
    }

    /// Whether it wants to be told of an event.
    pub(super) fn wants(&self, event: Event) -> bool {
        self.events.contains(&event)
    }

    /// Whether it wants to be told how a chain has ended.
    pub(super) fn hears_the_end(&self) -> bool {
        self.wants(Event::SETTLED)
    }

    /// Whether the reply waits for its `settled`.
    pub(super) fn awaits_settled(&self) -> bool {
        self.awaits_settled && self.wants(Event::SETTLED)
    }

    /// Asks on this thread.
    pub(super) fn ask_inline(&self, phase: Phase, txn: Box<Transaction>) -> Called {
        self.instance.process(phase, txn)
    }

    /// Asks wherever it belongs, and waits for the answer.
    pub(super) async fn ask(
        &self,
        phase: Phase,
        txn: Box<Transaction>,
    ) -> Result<(Box<Transaction>, Status), Lost> {
        let pool = self.pool.as_ref().filter(|_| !self.is_inline_in(phase));
        let called = match pool {
            None => self.instance.process(phase, txn),
            Some(pool) => {
                let instance = Arc::clone(&self.instance);
                pool.run(move || instance.process(phase, txn)).await.map_err(|_| Lost)?
            }
        };
        match called {
            Called::Answered(txn, status) => Ok((txn, status)),
            Called::Held(answer, _) => answer.await.map_err(|_| Lost),
        }
    }

    /// Tells a fact on this thread; only for inline stages.
    pub(super) fn tell_inline(
        &self,
        event: Event,
        txn: Box<Transaction>,
    ) -> (Box<Transaction>, Result<(), String>) {
        self.instance.event(event, txn)
    }

    /// Tells a fact wherever it belongs, and waits until it has been heard.
    pub(super) async fn tell(
        &self,
        event: Event,
        txn: Box<Transaction>,
    ) -> Result<(Box<Transaction>, Result<(), String>), Lost> {
        match &self.pool {
            None => Ok(self.instance.event(event, txn)),
            Some(pool) => {
                let instance = Arc::clone(&self.instance);
                pool.run(move || instance.event(event, txn)).await.map_err(|_| Lost)
            }
        }
    }

    /// Why its last answer was a fault, if it has said so.
    pub(super) fn explanation(&self) -> Option<String> {
        self.instance.explanation()
    }

    /// Ends it: no more questions, then no more threads.
    pub(super) fn stop(&self, deadline_ms: u64) {
        self.instance.drain(deadline_ms);
        self.instance.stop();
    }
}
