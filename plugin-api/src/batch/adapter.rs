//! A [`BatchPlugin`] as a [`Plugin`].

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::BatchPlugin;
use super::queue::Queue;
use crate::host::Host;
use crate::manifest::is_asked_to_save;
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
    /// Messages to be saved.
    to_save: Queue,
    /// Messages to be settled.
    to_settle: Queue,
}

impl<P: BatchPlugin> Plugin for Batched<P> {
    const NAME: &'static str = P::NAME;
    const ALIASES: &'static [&'static str] = P::ALIASES;
    const DESCRIPTION: &'static str = P::DESCRIPTION;
    const PHASES: &'static [Phase] = {
        assert!(is_asked_to_save(P::PHASES), "PHASES of a BatchPlugin must name Phase::Save");
        P::PHASES
    };
    const EVENTS: &'static [Event] = P::EVENTS;
    const AWAITS_SETTLED: bool = {
        assert!(!P::SETTLES_BATCHES || P::AWAITS_SETTLED, "SETTLES_BATCHES needs AWAITS_SETTLED");
        P::AWAITS_SETTLED
    };
    const BLOCKING: Blocking = P::BLOCKING;
    const NEVER_BLOCKS_IN: &'static [Phase] = Self::INLINE.split_at(P::NEVER_BLOCKS_IN.len() + 1).0;
    const HONOURS: &'static [Extension] = P::HONOURS;
    const CONFIG_SCHEMA: &'static str = P::CONFIG_SCHEMA;
    type Config = P::Config;

    fn create(host: Host, config: P::Config) -> Result<Self, String> {
        let plugin = P::create(host, config)?;
        let backlog = plugin.backlog();
        let (to_save, to_settle) = (Queue::closed(backlog), Queue::closed(backlog));
        let shared = Arc::new(Shared { plugin, host, to_save, to_settle });
        Ok(Self { shared, writers: Mutex::default() })
    }

    fn start(&self) -> Result<(), String> {
        self.shared.plugin.start()?;
        self.shared.to_save.open();
        if P::SETTLES_BATCHES {
            self.shared.to_settle.open();
        }
        // The host stops only what has started: what the plugin has begun in its `start` would go on.
        self.spawn_writers().inspect_err(|_| self.stop())
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
        later(&self.shared.to_save, txn)
    }

    fn opened(&self, txn: Transaction<'_>) {
        self.shared.plugin.opened(txn);
    }

    fn closed(&self, txn: Transaction<'_>) {
        self.shared.plugin.closed(txn);
    }

    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        if P::SETTLES_BATCHES {
            return later(&self.shared.to_settle, txn);
        }
        self.shared.plugin.settled(txn)
    }

    /// Writes what waits. What is not written in time is deferred by `stop`.
    fn drain(&self, deadline_ms: u64) {
        let begun = Instant::now();
        let most = Duration::from_millis(deadline_ms);
        self.shared.to_save.wait_until_idle(most);
        self.shared.to_settle.wait_until_idle(most.saturating_sub(begun.elapsed()));
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

    fn spawn_writers(&self) -> Result<(), String> {
        for _ in 0..self.shared.plugin.writers().max(1) {
            self.spawn(Shared::save)?;
            if P::SETTLES_BATCHES {
                self.spawn(Shared::settle)?;
            }
        }
        Ok(())
    }

    fn spawn(&self, life: fn(&Shared<P>)) -> Result<(), String> {
        let shared = Arc::clone(&self.shared);
        let thread = self.shared.host.spawn(P::NAME, move || life(&shared));
        let thread = thread.map_err(|error| format!("no thread for a writer: {error}"))?;
        self.writers.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }
}

impl<P> Batched<P> {
    fn end_writers(&self) {
        for (queue, what) in
            [(&self.shared.to_save, "written"), (&self.shared.to_settle, "settled")]
        {
            // Dropped here, and thereby deferred.
            let left = queue.close().len();
            if left > 0 {
                let text = format!("stopped with {left} messages not {what}: deferred");
                self.shared.host.warn(format_args!("{text}"));
            }
        }
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
    /// The life of a thread that saves.
    fn save(&self) {
        while let Some((batch, _in_hand)) = self.to_save.next(self.plugin.max_batch()) {
            self.host.observe("batch_messages", batch.len() as f64);
            self.guarded("save_batch", |plugin| plugin.save_batch(batch));
        }
    }

    /// The life of a thread that settles.
    fn settle(&self) {
        while let Some((batch, _in_hand)) = self.to_settle.next(self.plugin.max_batch()) {
            self.host.observe("settled_batch_messages", batch.len() as f64);
            self.guarded("settled_batch", |plugin| plugin.settled_batch(batch));
        }
    }

    fn guarded(&self, entry: &str, call: impl FnOnce(&P)) {
        if let Err(what) = guard(self.host, || call(&self.plugin)) {
            self.host.error(format_args!("panicked in {entry}: {what}"));
        }
    }
}

/// Puts a message in a queue.
fn later(queue: &Queue, txn: Transaction<'_>) -> Verdict {
    let Some(held) = txn.hold() else { return Verdict::DEFER };
    // A closed queue gives it back, and dropping it defers it.
    drop(queue.push(held));
    Verdict::PENDING
}

/// One more than there are phases.
const MOST_PHASES: usize = 6;
