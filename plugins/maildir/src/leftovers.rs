//! Copies that could not be taken back when their message was not accepted, and are tried again.
//!
//! Taking back needs a descriptor for the directory, which is what may have run out; a disk may fail for a moment. A copy that
//! stayed in `new` would be a duplicate of what the client sends again, one in `tmp` would take room for days.
//!
//! Limits: [`MOST`] copies are kept in mind; of a sweep that fails, the first failure is the last try.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::delivery::Copy;
use crate::directory::StorageError;

/// What is still to be taken back.
#[derive(Debug, Default)]
pub(crate) struct Leftovers(Mutex<VecDeque<Copy>>);

impl Leftovers {
    /// Takes a copy back, now or later. The error says why not now.
    pub(crate) fn take_back(&self, mut copy: Copy) -> Result<(), StorageError> {
        copy.close();
        let Err(e) = copy.remove() else { return Ok(()) };
        // What a reader has taken will not come back.
        if !e.is_missing() {
            let mut copies = self.copies();
            if copies.len() < MOST {
                copies.push_back(copy);
            }
        }
        Err(e)
    }

    /// Tries again with those that are left, until one of them still cannot be had. Called with every message.
    pub(crate) fn sweep(&self) {
        loop {
            // Tried outside the lock: a disk that hangs holds up one message, and not all.
            let Some(copy) = self.copies().pop_front() else { return };
            if copy.remove().is_err_and(|e| !e.is_missing()) {
                self.copies().push_back(copy);
                return;
            }
        }
    }

    fn copies(&self) -> MutexGuard<'_, VecDeque<Copy>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy takes about 300 bytes.
const MOST: usize = 10_000;
