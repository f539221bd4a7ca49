//! A [`BatchPlugin`] as a [`Plugin`].

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::queue::Queue;
use super::{Batch, BatchPlugin};
use crate::host::Host;
use crate::panics::guard;
use crate::plugin::Plugin;
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use crate::vocabulary::{Blocking, Event, Extension, Phase};

/// Makes a [`Plugin`] of a [`BatchPlugin`]: this is what is exported and tested.
pub struct Batched<P> {
    shared: Arc<Shared<P>>,
    writers: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared<P> {
    plugin: P,
    host: Host,
    queue: Queue,
}

impl<P: BatchPlugin> Plugin for Batched<P> {
    const NAME: &'static str = P::NAME;
    const ALIASES: &'static [&'static str] = P::ALIASES;
    const DESCRIPTION: &'static str = P::DESCRIPTION;
    const PHASES: &'static [Phase] = {
        assert!(contains_save(P::PHASES), "PHASES of a BatchPlugin must name Phase::Save");
        P::PHASES
    };
    const EVENTS: &'static [Event] = P::EVENTS;
    const AWAITS_SETTLED: bool = P::AWAITS_SETTLED;
    const BLOCKING: Blocking = P::BLOCKING;
    const NEVER_BLOCKS_IN: &'static [Phase] = Self::INLINE.split_at(P::NEVER_BLOCKS_IN.len() + 1).0;
    const HONOURS: &'static [Extension] = P::HONOURS;
    const CONFIG_SCHEMA: &'static str = P::CONFIG_SCHEMA;
    type Config = P::Config;

    fn create(host: Host, config: P::Config) -> Result<Self, String> {
        let plugin = P::create(host, config)?;
        let shared = Arc::new(Shared { plugin, host, queue: Queue::closed() });
        Ok(Self { shared, writers: Mutex::default() })
    }

    fn start(&self) -> Result<(), String> {
        self.shared.plugin.start()?;
        self.shared.queue.open();
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..self.shared.plugin.writers().max(1) {
            let shared = Arc::clone(&self.shared);
            let writer = self.shared.host.spawn(P::NAME, move || shared.write());
            writers.push(writer.map_err(|error| format!("no thread for a writer: {error}"))?);
        }
        Ok(())
    }

    fn connect(&self, txn: Transaction<'_>) -> Verdict {
        self.shared.plugin.connect(txn)
    }

    fn helo(&self, txn: Transaction<'_>) -> Verdict {
        self.shared.plugin.helo(txn)
    }

    fn mail(&self, txn: Transaction<'_>) -> Verdict {
        self.shared.plugin.mail(txn)
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        self.shared.plugin.rcpt(txn)
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        let Some(held) = txn.hold() else { return Verdict::DEFER };
        // A closed queue gives it back, and dropping it defers it.
        drop(self.shared.queue.push(held));
        Verdict::PENDING
    }

    fn opened(&self, txn: Transaction<'_>) {
        self.shared.plugin.opened(txn);
    }

    fn closed(&self, txn: Transaction<'_>) {
        self.shared.plugin.closed(txn);
    }

    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        self.shared.plugin.settled(txn)
    }

    /// Writes what waits. What is not written in time is deferred by `stop`.
    fn drain(&self, deadline_ms: u64) {
        self.shared.queue.wait_until_idle(Duration::from_millis(deadline_ms));
    }

    fn stop(&self) {
        self.end_writers();
        self.shared.plugin.stop();
    }
}

impl<P: BatchPlugin> Batched<P> {
    /// The author's phases and `save`, filled up with more of it.
    const INLINE_ROOM: [Phase; MOST_PHASES] = {
        let mut all = [Phase::Save; MOST_PHASES];
        let own = P::NEVER_BLOCKS_IN;
        assert!(own.len() < MOST_PHASES, "NEVER_BLOCKS_IN names a phase twice");
        let mut i = 0;
        while i < own.len() {
            all[i] = own[i];
            i += 1;
        }
        all
    };
    const INLINE: &'static [Phase] = &Self::INLINE_ROOM;
}

impl<P> Batched<P> {
    fn end_writers(&self) {
        let left = self.shared.queue.close();
        if !left.is_empty() {
            let text = format_args!("stopped with {} messages not written: deferred", left.len());
            self.shared.host.warn(text);
        }
        drop(left);
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        for writer in writers.drain(..) {
            // One that has panicked has said so.
            let _ = writer.join();
        }
    }
}

impl<P> Drop for Batched<P> {
    fn drop(&mut self) {
        // Where `start` has failed half-way nobody calls `stop`.
        self.end_writers();
    }
}

impl<P: BatchPlugin> Shared<P> {
    /// The life of a writer.
    fn write(&self) {
        while let Some((batch, _in_hand)) = self.queue.next(self.plugin.max_batch()) {
            self.write_one(batch);
        }
    }

    fn write_one(&self, batch: Batch) {
        self.host.observe("batch_messages", batch.len() as f64);
        if let Err(what) = guard(self.host, || self.plugin.save_batch(batch)) {
            let text = format!("panicked in save_batch: {what}");
            self.host.error(format_args!("{text}"));
        }
    }
}

/// One more than there are phases.
const MOST_PHASES: usize = 6;

const fn contains_save(phases: &[Phase]) -> bool {
    let mut i = 0;
    while i < phases.len() {
        if matches!(phases[i], Phase::Save) {
            return true;
        }
        i += 1;
    }
    false
}
