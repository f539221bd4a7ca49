//! Which messages of a batch are worked on together: so many that few handles are open, and that none waits for a large one.

use guerrilla_plugin_api::{Batch, Held, Transaction};

use crate::delivery::GROUP;

/// Messages that are synced together.
pub(crate) struct Group<T> {
    /// With what was done for each.
    pub(crate) mails: Vec<(Held, T)>,
    /// Files or maildirs that they have open.
    open: usize,
    bytes: usize,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { mails: Vec::new(), open: 0, bytes: 0 }
    }
}

impl<T> Group<T> {
    /// Whether one that opens so many and has so many bytes is to be of the next group.
    pub(crate) fn is_full_for(&self, open: usize, bytes: usize) -> bool {
        let fits = self.open + open <= GROUP && self.bytes.saturating_add(bytes) <= MOST_BYTES;
        !self.mails.is_empty() && !fits
    }

    /// Adds one that has so many open.
    pub(crate) fn push(&mut self, open: usize, bytes: usize, held: Held, part: T) {
        self.open += open;
        self.bytes = self.bytes.saturating_add(bytes);
        self.mails.push((held, part));
    }
}

/// Those that are written soon do not wait for the others.
pub(crate) fn small_first(batch: Batch) -> impl Iterator<Item = Held> {
    let sized = |mut held: Held| (held.transaction().body().len(), held);
    let mut mails: Vec<_> = batch.into_iter().map(sized).collect();
    mails.sort_by_key(|(size, _)| *size);
    mails.into_iter().map(|(_, held)| held)
}

/// The files or maildirs that a message may have open at a time, and its bytes in all of them.
pub(crate) fn needs(txn: &Transaction<'_>) -> (usize, usize) {
    let copies = txn.recipients().len();
    (copies.min(GROUP), txn.body().len().saturating_mul(copies))
}

/// Bytes that are written before the first of them are waited for.
const MOST_BYTES: usize = 1 << 20;
