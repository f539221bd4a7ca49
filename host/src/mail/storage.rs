//! How much of the mail in flight may be in memory, and where the rest goes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bounds that all messages of a daemon share.
#[derive(Clone, Debug)]
pub struct Storage {
    /// A body above this many bytes goes to a file (`spool_threshold`).
    pub threshold: usize,
    /// Where that file is made (`spool_dir`); it has no name there.
    pub dir: PathBuf,
    /// Bytes in memory, over all messages (`max_memory`).
    pub budget: Arc<Budget>,
}

impl Default for Storage {
    /// 1 MiB in memory for each message, files in the system's temporary directory, no common bound.
    fn default() -> Self {
        Self {
            threshold: 1 << 20,
            dir: std::env::temp_dir(),
            budget: Arc::new(Budget::new(u64::MAX)),
        }
    }
}

impl Storage {
    /// Makes a file in a directory as one is made for a body, and drops it.
    ///
    /// # Errors
    /// The system's, as a body would meet it.
    pub(crate) fn try_dir(dir: &Path) -> io::Result<()> {
        tempfile::tempfile_in(dir).map(drop)
    }
}

/// A number of bytes, taken and given back.
#[derive(Debug)]
pub struct Budget {
    limit: AtomicU64,
    used: AtomicU64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit: limit.into(), used: AtomicU64::new(0) }
    }

    /// Changes the bound for what is taken from now on.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes taken at the moment.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether so many more bytes could be had now.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.used().saturating_add(bytes) <= self.limit.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= limit)
        });
        taken.is_ok()
    }
}

/// Bytes taken from a budget; they are given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Share {
    /// Nothing yet.
    pub(super) fn none_of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Gives all back.
    pub(super) fn release(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
    }

    /// Takes more until it is so many bytes; `false` when they cannot be had.
    pub(super) fn grow_to(&mut self, bytes: u64) -> bool {
        bytes <= self.bytes || self.change_to(bytes)
    }

    /// Takes more, or gives back, until it is so many bytes; `false` when they cannot be had.
    pub(super) fn change_to(&mut self, bytes: u64) -> bool {
        if bytes > self.bytes && !self.budget.take(bytes - self.bytes) {
            return false;
        }
        self.budget.used.fetch_sub(self.bytes.saturating_sub(bytes), Ordering::Relaxed);
        self.bytes = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Arc::new(Budget::new(100));
        let mut one = Share::none_of(&budget);
        let mut other = Share::none_of(&budget);
        assert!(one.grow_to(60) && other.grow_to(40));
        assert!(!other.grow_to(41) && !budget.has_room(1));
        drop(one);
        assert!(other.grow_to(100));
        assert!(other.change_to(30) && other.grow_to(10));
        assert_eq!(budget.used(), 30, "only a change makes it less");
        assert!(!other.change_to(101) && other.change_to(99));
        drop(other);
        assert_eq!(budget.used(), 0);
    }
}
