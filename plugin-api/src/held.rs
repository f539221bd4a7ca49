//! A transaction that is completed later.

use guerrilla_plugin_abi::{HeldTxn, Status};

use crate::host::Host;
use crate::transaction::Transaction;
use crate::verdict::Verdict;

/// A transaction in hand: it may be moved to another thread and is completed once.
///
/// One that is dropped is deferred (451): mail is never lost because a task was cancelled or panicked.
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

    /// The transaction, to be read and set as in the call it was held in.
    pub fn transaction(&mut self) -> Transaction<'_> {
        Transaction::new(self.held.txn, self.host)
    }

    /// Gives the verdict.
    pub fn complete(mut self, verdict: Verdict) {
        if let Some(reply) = &verdict.reply {
            self.transaction().set_reply(reply);
        }
        self.finish(verdict.status);
    }

    fn finish(&mut self, status: Status) {
        self.open = false;
        self.host.complete(self.held.token, status);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.open {
            self.finish(Status::DEFER);
        }
    }
}
