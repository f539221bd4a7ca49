//! One place in a chain.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use guerrilla_plugin_abi::{Blocking, Event, Phase, Status};
use tokio::sync::oneshot;

use super::breaker::{Breaker, Failure, Policy};
use super::figures::{About, Figures};
use super::pool::Pool;
use super::slowness::Slowness;
use crate::config::OnFailure;
use crate::mail::Transaction;
use crate::plugins::ffi::{Called, Instance, Origin, outcome};
use crate::plugins::manifest::Processor;
use crate::stamp::Stamp;

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
    /// The files that the settings name, as they were.
    pub(super) files: Vec<(PathBuf, Option<Stamp>)>,
    /// Threads, should it block.
    pub(super) threads: usize,
    /// What its failures mean.
    pub(super) policy: Policy,
}

impl Blueprint {
    /// The file that has changed since, should that be all the difference.
    pub(super) fn renewed_file<'a>(&self, new: &'a Self) -> Option<&'a Path> {
        let as_before = Self { files: self.files.clone(), ..new.clone() };
        let changed = new.files.iter().find(|file| !self.files.contains(file));
        changed.filter(|_| as_before == *self).map(|(path, _)| path.as_path())
    }
}

/// A processor at work in one or more chains.
pub(crate) struct Stage {
    /// What it was made from.
    pub(super) blueprint: Blueprint,
    /// What its failures mean, and whether there have been too many.
    pub(super) breaker: Breaker,
    /// What it has done.
    pub(super) figures: Arc<Figures>,
    instance: Arc<Instance>,
    events: Vec<Event>,
    awaits_settled: bool,
    never_blocks_in: Vec<Phase>,
    /// ESMTP extensions that it fulfils.
    pub(super) honours: Vec<String>,
    /// The threads it is called on; none for one that never blocks.
    pool: OnceLock<Pool>,
    /// Whether it blocks where it says that it never does.
    slowness: Slowness,
    /// It does: no question is asked on the connection's own thread any more.
    moved: AtomicBool,
    stopped: AtomicBool,
}

/// The transaction did not come back: no thread could be had.
pub(super) struct Lost;

/// What a question has come to, in the end.
pub(super) type Answer = Result<(Box<Transaction>, Status), Lost>;

impl Stage {
    /// Puts an instance to work.
    pub(super) fn new(blueprint: Blueprint, processor: &Processor, instance: Instance) -> Self {
        let about = About::new(&blueprint.name, &processor.name, blueprint.origin);
        let figures = Figures::of(about);
        let pool = OnceLock::new();
        if processor.blocking != Blocking::NEVER {
            pool.get_or_init(|| Pool::new(&blueprint.name, blueprint.threads, figures.waiting()));
        }
        Self {
            breaker: Breaker::new(blueprint.policy),
            figures,
            instance: Arc::new(instance),
            events: processor.events.clone(),
            awaits_settled: processor.awaits_settled,
            never_blocks_in: processor.never_blocks_in.clone(),
            honours: processor.honours.clone(),
            pool,
            slowness: Slowness::new(),
            moved: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            blueprint,
        }
    }

    /// Its name in the chain.
    pub(super) fn name(&self) -> &str {
        &self.blueprint.name
    }

    /// Lets it open what it needs.
    pub(super) fn start(&self) -> Result<(), String> {
        self.instance.start()
    }

    /// Whether it is asked on the connection's own thread in this phase.
    pub(super) fn is_inline_in(&self, phase: Phase) -> bool {
        (self.is_inline() || self.never_blocks_in.contains(&phase))
            && !self.moved.load(Ordering::Relaxed)
    }

    /// Whether it is always called on the connection's own thread. Once it is not, it never is again.
    pub(super) fn is_inline(&self) -> bool {
        self.pool.get().is_none()
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
        let timed = is_sample() || self.slowness.is_suspected();
        let since = timed.then(Instant::now);
        let called = self.instance.process(phase, txn);
        let took = since.map(|since| since.elapsed());
        if took.is_some_and(|took| self.slowness.took(took)) {
            self.move_to_pool(took.unwrap_or_default());
        }
        if let Called::Answered(_, status) = &called {
            self.figures.answered(phase, *status);
            if let Some(took) = took {
                self.figures.took(took);
            }
        }
        called
    }

    /// Asks wherever it belongs, and waits for the answer.
    pub(super) async fn ask(&self, phase: Phase, txn: Box<Transaction>) -> Answer {
        let deadline = txn.deadline;
        let pool = self.pool.get().filter(|_| !self.is_inline_in(phase));
        let called = match pool {
            None => self.ask_inline(phase, txn),
            Some(pool) => {
                let (instance, figures) = (Arc::clone(&self.instance), Arc::clone(&self.figures));
                let call = move || {
                    let (_flight, since) = (figures.flight(deadline, true), Instant::now());
                    let called = instance.process(phase, txn);
                    if let Called::Answered(_, status) = &called {
                        figures.answered(phase, *status);
                        figures.took(since.elapsed());
                    }
                    called
                };
                pool.run(call).await.map_err(|_| Lost)?
            }
        };
        match called {
            Called::Answered(txn, status) => Ok((txn, status)),
            Called::Held(answer, _) => self.held(phase, answer).await,
        }
    }

    /// Waits for the answer of a plugin that holds the transaction.
    pub(super) fn held(
        &self,
        phase: Phase,
        answer: oneshot::Receiver<(Box<Transaction>, Status)>,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let (figures, since) = (Arc::clone(&self.figures), Instant::now());
        let flight = figures.flight(None, false);
        async move {
            let answered = answer.await.map_err(|_| Lost);
            drop(flight);
            if let Ok((_, status)) = &answered {
                figures.answered(phase, *status);
                figures.took(since.elapsed());
            }
            answered
        }
    }

    /// It has taken long on a connection's own thread, again and again.
    #[cold]
    fn move_to_pool(&self, took: Duration) {
        self.pool
            .get_or_init(|| Pool::new(self.name(), self.blueprint.threads, self.figures.waiting()));
        if !self.moved.swap(true, Ordering::Relaxed) {
            self.figures.moved_to_pool();
            tracing::warn!(
                "{}: says that it never blocks, but has kept connections waiting several times, {took:.0?} the last time; from now on it is called in a pool of its own; tell its author",
                self.name()
            );
        }
    }

    /// Tells a stage whose commit the reply waits for how the chain has ended, and waits until it has committed.
    pub(super) async fn settle(
        &self,
        txn: Box<Transaction>,
    ) -> Result<(Box<Transaction>, Result<(), String>), Lost> {
        let since = Instant::now();
        let called = match self.pool.get() {
            None => self.instance.settled(txn),
            Some(pool) => {
                let (instance, figures) = (Arc::clone(&self.instance), Arc::clone(&self.figures));
                let call = move || {
                    let _flight = figures.flight(txn.deadline, true);
                    instance.settled(txn)
                };
                pool.run(call).await.map_err(|_| Lost)?
            }
        };
        let (mut txn, status) = match called {
            Called::Answered(txn, status) => (txn, status),
            Called::Held(answer, _) => {
                let _flight = self.figures.flight(None, false);
                answer.await.map_err(|_| Lost)?
            }
        };
        let why = txn.explanation.take();
        let told = outcome(status, why);
        self.figures.told(Event::SETTLED, told.is_ok());
        self.figures.took(since.elapsed());
        Ok((txn, told))
    }

    /// Tells a fact on this thread; only for inline stages.
    pub(super) fn tell_inline(
        &self,
        event: Event,
        txn: Box<Transaction>,
    ) -> (Box<Transaction>, Result<(), String>) {
        let told = self.instance.event(event, txn);
        self.figures.told(event, told.1.is_ok());
        told
    }

    /// Tells a fact wherever it belongs, and waits until it has been heard.
    pub(super) async fn tell(
        &self,
        event: Event,
        txn: Box<Transaction>,
    ) -> Result<(Box<Transaction>, Result<(), String>), Lost> {
        match self.pool.get() {
            None => Ok(self.tell_inline(event, txn)),
            Some(pool) => {
                let (instance, figures) = (Arc::clone(&self.instance), Arc::clone(&self.figures));
                let call = move || {
                    let (_flight, since) = (figures.flight(txn.deadline, true), Instant::now());
                    let told = instance.event(event, txn);
                    figures.told(event, told.1.is_ok());
                    figures.took(since.elapsed());
                    told
                };
                pool.run(call).await.map_err(|_| Lost)
            }
        }
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

/// Whether this call is to be timed: a clock that is exact costs more than many a call. A prime, so that chains of any
/// length have all their stages timed.
fn is_sample() -> bool {
    const EVERY: u32 = 17;
    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }
    let count = COUNT.get();
    COUNT.set(if count == EVERY - 1 { 0 } else { count + 1 });
    count == 0
}
