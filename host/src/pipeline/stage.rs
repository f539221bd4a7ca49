//! One place in a chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guerrilla_plugin_abi::{Blocking, Event, Phase, Status};

use super::breaker::{Breaker, Failure, Policy};
use super::pool::Pool;
use crate::config::OnFailure;
use crate::mail::Transaction;
use crate::plugins::ffi::{Called, Instance, Origin};
use crate::plugins::manifest::Processor;

/// All that an instance depends on. While it stays the same, so does the instance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Blueprint {
    /// Its name in the chain.
    pub(super) name: String,
    /// Which time the name stands in the same chain.
    pub(super) time: usize,
    /// The name of its processor.
    pub(super) processor: String,
    /// The plugin file it comes from; none for a built-in.
    pub(super) origin: Option<Origin>,
    /// A JSON object.
    pub(super) settings: String,
    /// Threads, should it block.
    pub(super) threads: usize,
    /// What its failures mean.
    pub(super) policy: Policy,
}

/// A processor at work in one or more chains.
pub(crate) struct Stage {
    /// Its name in the chain.
    pub(super) name: String,
    /// What it was made from.
    pub(super) blueprint: Blueprint,
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
    stopped: AtomicBool,
}

/// The transaction did not come back: no thread could be had.
pub(super) struct Lost;

impl Stage {
    /// Puts an instance to work.
    pub(super) fn new(blueprint: Blueprint, processor: &Processor, instance: Instance) -> Self {
        let inline = processor.blocking == Blocking::NEVER;
        let (name, threads) = (blueprint.name.clone(), blueprint.threads);
        Self {
            pool: (!inline).then(|| Pool::new(&name, threads)),
            name,
            breaker: Breaker::new(blueprint.policy),
            blueprint,
            instance: Arc::new(instance),
            events: processor.events.clone(),
            awaits_settled: processor.awaits_settled,
            never_blocks_in: processor.never_blocks_in.clone(),
            honours: processor.honours.clone(),
            stopped: AtomicBool::new(false),
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

    /// What the chain goes on with should this stage not answer in time and the chain go on without it: what there was
    /// before it was asked, for what it has begun to change is its own until it returns.
    pub(super) fn copy_to_go_on_with(&self, txn: &Transaction) -> Option<Box<Transaction>> {
        let goes_on = self.breaker.policy.of(Failure::Timeout) == OnFailure::Continue;
        goes_on.then(|| {
            let mut copy = txn.spare_with_message();
            copy.deadline = txn.deadline;
            copy
        })
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

    /// Ends it: no more questions, then no more threads. Once only.
    pub(super) fn stop(&self, deadline_ms: u64) {
        if !self.stopped.swap(true, Ordering::AcqRel) {
            self.instance.drain(deadline_ms);
            self.instance.stop();
        }
    }

    /// Whether it has been ended, or is being so.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}
