//! A message that is not stored yet.

use guerrilla_plugin_api::{Held, Level, Transaction, Verdict};
use tokio::time::Instant;

use crate::failed::Failed;
use crate::target::Target;

/// A message in hand.
pub(crate) struct Waiting {
    held: Held,
    /// When it has to be answered for, stored or not: somewhat before the host gives up on it.
    due: Instant,
}

impl Waiting {
    pub(crate) fn new(mut held: Held, now: Instant) -> Self {
        let due = now + held.transaction().time_left();
        Self { held, due }
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    pub(crate) fn transaction(&mut self) -> Transaction<'_> {
        self.held.transaction()
    }

    /// It is stored: says so to the client. The first hash is the id that it hears, as with go-guerrilla: so that a row can be found
    /// by it.
    pub(crate) fn stored(mut self) {
        let mut txn = self.held.transaction();
        let hash = txn.hashes().next().map(str::to_owned);
        if let Some(hash) = hash {
            // Without it the id stays what it was, which is one, too.
            let _ = txn.set_queued_id(&hash);
        }
        self.held.complete(Verdict::CONTINUE);
    }

    /// It is not, as far as is known: says why to the log, with the hash that its rows have if they are there all the same.
    pub(crate) fn not_stored(mut self, place: &Target, failed: &Failed) {
        let txn = self.held.transaction();
        let id = txn.queued_id();
        let hash = txn.hashes().next().unwrap_or(id);
        let text = format_args!("{place}: {id} (hash {hash}) not stored: {failed}");
        txn.log(Level::Error, text);
        self.held.complete(failed.verdict());
    }
}

/// When the first of them has to be answered for.
pub(crate) fn earliest(group: &[Waiting]) -> Option<Instant> {
    group.iter().map(Waiting::due).min()
}
