//! Ids that are unique in time and space: no two connections share one, over restarts and over the daemons that store into the same place.
//!
//! go-guerrilla's queue id was a function of the connection number and so repeated after every restart. What stores know a copy by may
//! rest on it (a key of Redis, the id of a message of NATS): of two mails of one id, one would be lost behind its 250.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Id of a connection: when it was opened, never given twice by a process, and 40 random bits of that process.
///
/// Two daemons share an id if they draw the same bits and both open a connection within the same 32 ns. For the bits alone: a hundred
/// daemons on one store, each started daily for ten years, are 4950 pairs 3650 times, which is 1.6e-5 for any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId([u8; TIME + PROCESS]);

impl SessionId {
    /// The next id.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // Its keys are the system's random numbers.
        static OURS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
        let nanos = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        let now = nanos / TICK;
        // Strictly increasing even when two threads ask in the same tick or the clock is set back.
        let previous = LAST
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)))
            .unwrap_or_default();
        Self::of(now.max(previous + 1), *OURS)
    }

    /// As text: 20 lower-case characters, sorted by time, free of characters that shells or file names mind.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn of(ticks: u64, process: u64) -> Self {
        let mut text = [0; TIME + PROCESS];
        let (time, rest) = text.split_at_mut(TIME);
        write(time, ticks);
        write(rest, process);
        Self(text)
    }
}

/// The low bits of a number, as many as there is room for, five in a digit.
fn write(text: &mut [u8], number: u64) {
    for (place, digit) in text.iter_mut().rev().enumerate() {
        *digit = ALPHABET[(number >> (5 * place)) as usize & 31];
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Crockford's base 32: no letters that look like digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Nanoseconds of a tick.
const TICK: u64 = 32;
/// Digits of the time: 60 bits, enough for all nanoseconds of a `u64`.
const TIME: usize = 12;
/// Digits of the process.
const PROCESS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_sorted() {
        let ids: Vec<SessionId> = (0..10_000).map(|_| SessionId::next()).collect();
        let unique: HashSet<&SessionId> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        assert!(ids.is_sorted_by(|a, b| a.as_str() < b.as_str()));
    }

    #[test]
    fn every_bit_of_the_time_and_forty_of_the_process_count() {
        assert_eq!(SessionId::of(0, 0).as_str(), "00000000000000000000");
        assert_eq!(SessionId::of(u64::MAX / TICK, u64::MAX).as_str(), "fzzzzzzzzzzzzzzzzzzz");
        assert_eq!(SessionId::of(1, 1 << 39).as_str(), "000000000001g0000000");
    }
}
