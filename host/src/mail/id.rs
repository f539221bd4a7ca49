//! Ids that are unique in time: no two connections of this host ever share one, not even over restarts.
//!
//! go-guerrilla's queue id was a function of the connection number and so repeated after every restart.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Id of a connection: the nanosecond it was opened, never given twice by a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 13]);

impl SessionId {
    /// The next id.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        // Strictly increasing even when two threads ask in the same nanosecond or the clock is set back.
        let previous = LAST
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)))
            .unwrap_or_default();
        Self::from_number(now.max(previous + 1))
    }

    /// As text: 13 lower-case characters, sorted by time, free of characters that shells or file names mind.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn from_number(number: u64) -> Self {
        let mut text = [0; 13];
        for (place, digit) in text.iter_mut().rev().enumerate() {
            *digit = ALPHABET[(number >> (5 * place)) as usize & 31];
        }
        Self(text)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Crockford's base 32: no letters that look like digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

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
    fn every_bit_of_the_number_counts() {
        assert_eq!(SessionId::from_number(0).as_str(), "0000000000000");
        assert_eq!(SessionId::from_number(u64::MAX).as_str(), "fzzzzzzzzzzzz");
    }
}
