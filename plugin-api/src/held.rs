//! A transaction that is completed later.

use std::fmt::Arguments;
use std::thread;

use guerrilla_plugin_abi::{HeldTxn, Status};

use crate::host::{Host, Level};
use crate::transaction::Transaction;
use crate::verdict::Verdict;

/// A transaction in hand: it may be moved to another thread and is completed once.
///
/// One that is dropped is deferred (451) with a line in the log, and one that is dropped by a panic counts as a fault (deferred too, unless the
/// operator wants it otherwise): mail is never lost because a task was cancelled or has panicked.
/// The host waits until its deadline only; completing later than that is harmless and logged.
pub struct Held {
    held: HeldTxn,
    host: Host,
    open: bool,
}

impl Held {
    pub(crate) fn new(held: HeldTxn, host: Host) -> Self {
        Self { held, host, open: true }
    }

    /// The host, for log lines and figures.
    pub fn host(&self) -> Host {
        self.host
    }

    /// The transaction, to be read and set as in the call it was held in.
    pub fn transaction(&mut self) -> Transaction<'_> {
        Transaction::new(self.held.txn, self.host)
    }

    /// Writes a line about it to the daemon's log, from whatever thread has it: under the processor's name, with the id of
    /// the session. Formats only what is written.
    ///
    /// ```
    /// # use guerrilla_plugin_api::{Held, Level, Verdict};
    /// fn given_up(held: Held, tries: u32) {
    ///     held.log(Level::Warn, format_args!("no answer after {tries} tries"));
    ///     held.complete(Verdict::DEFER);
    /// }
    /// ```
    pub fn log(&self, level: Level, text: Arguments<'_>) {
        self.host.log_about(self.held.txn, level, text);
    }

    /// Gives the verdict.
    pub fn complete(mut self, verdict: Verdict) {
        if let Some(reply) = &verdict.reply {
            self.transaction().set_reply(reply);
        }
        self.finish(verdict.status);
    }

    /// The code that had it has panicked, and its panic was caught: what it said.
    #[cfg(feature = "tokio")]
    pub(crate) fn panicked(mut self, what: &str) {
        self.host.explain(what);
        self.finish(Status::PANICKED);
    }

    fn finish(&mut self, status: Status) {
        self.open = false;
        self.host.complete(self.held.token, status);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        if thread::panicking() {
            return self.finish(Status::PANICKED);
        }
        // The client hears of some local error, and its operator would look for one in vain.
        self.log(Level::Warn, format_args!("dropped without a verdict, which is a deferral"));
        self.finish(Status::DEFER);
    }
}
