//! What a server has done since the daemon began, in numbers. They outlive its reloads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::pipeline::Kind;

/// The figures of one server.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    messages: [AtomicU64; VERDICTS.len()],
    bytes: AtomicU64,
    turned_away: AtomicU64,
}

impl Tally {
    /// A message of so many bytes has its answer.
    pub(super) fn message(&self, kind: Kind, bytes: usize) {
        let place = VERDICTS.iter().position(|(own, _)| *own == kind).unwrap_or_default();
        self.messages[place].fetch_add(1, Ordering::Relaxed);
        if kind == Kind::Accept {
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// There was no place for a client.
    pub(super) fn away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages by verdict.
    pub(crate) fn messages(&self) -> Vec<(String, u64)> {
        let counts = self.messages.iter().map(|count| count.load(Ordering::Relaxed));
        VERDICTS.iter().map(|(_, name)| (*name).to_owned()).zip(counts).collect()
    }

    /// Bytes of the messages that were accepted.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Clients for whom there was no place.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

const VERDICTS: [(Kind, &str); 5] = [
    (Kind::Accept, "accepted"),
    (Kind::Defer, "deferred"),
    (Kind::Reject, "rejected"),
    (Kind::Discard, "discarded"),
    (Kind::Disconnect, "refused"),
];
