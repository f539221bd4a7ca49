//! A message that is not stored yet.

use std::time::Instant;

use guerrilla_plugin_api::{Held, Level, Scope, Transaction, Verdict};
use guerrilla_redis_client::{RedisPool, Trouble};

/// A message in hand.
pub(crate) struct Waiting {
    held: Held,
    key: String,
    /// When it has to be answered for, stored or not.
    due: Instant,
    /// Bytes of its value.
    size: usize,
    /// The key is written; the entry in the stream is not.
    has_key: bool,
}

impl Waiting {
    pub(crate) fn new(mut held: Held, now: Instant) -> Self {
        let txn = held.transaction();
        let key = txn.hashes().next().unwrap_or_else(|| txn.queued_id()).to_owned();
        let size = value(&txn).map(<[u8]>::len).sum();
        let due = now + txn.time_left();
        Self { held, key, due, size, has_key: false }
    }

    pub(crate) fn transaction(&mut self) -> Transaction<'_> {
        self.held.transaction()
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn has_key(&self) -> bool {
        self.has_key
    }

    /// Remembers that the key is written.
    pub(crate) fn with_key(self) -> Self {
        Self { has_key: true, ..self }
    }

    /// It is stored: says so to the stages behind and to the client.
    pub(crate) fn stored(mut self) {
        let mut txn = self.held.transaction();
        // Neither can fail with a hash; without them the message is stored all the same.
        let _ = txn.set_queued_id(&self.key);
        let _ = txn.set_note(Scope::Mail, NOTE, NOTE.as_bytes());
        self.held.complete(Verdict::CONTINUE);
    }

    /// It is not: the client is to try again, and the log says why under the id that other lines about the message have.
    pub(crate) fn deferred(mut self, place: &RedisPool, trouble: &Trouble) {
        let txn = self.held.transaction();
        let id = txn.queued_id();
        txn.log(Level::Error, format_args!("{place}: {id} deferred: {trouble}"));
        self.held.complete(trouble.verdict());
    }
}

/// What is stored: the pieces of it in order.
pub(crate) fn value<'t>(txn: &'t Transaction<'_>) -> impl Iterator<Item = &'t [u8]> {
    let compressed = txn.note(Scope::Mail, COMPRESSED);
    let whole = if compressed.is_none() { Some(txn.message()) } else { None };
    compressed.into_iter().chain(whole.into_iter().flatten())
}

/// The note that says that Redis has the message; `SQL` leaves the body out then. go-guerrilla's.
const NOTE: &str = "redis";
/// The note that `Compressor` leaves.
const COMPRESSED: &str = "zlib-compressor";
