//! Messages that wait for a writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Batch;
use crate::held::Held;

/// A queue from many connections to a few writers. Putting in never waits for a writer.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    idle: Condvar,
}

struct State {
    waiting: VecDeque<Held>,
    /// Messages that writers have in hand.
    writing: usize,
    open: bool,
}

/// Tells the queue when a writer is done, also after a panic.
pub(super) struct InHand<'a> {
    queue: &'a Queue,
    mails: usize,
}

impl Queue {
    /// One that takes nothing yet.
    pub(super) fn closed() -> Self {
        let state = State { waiting: VecDeque::new(), writing: 0, open: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), idle: Condvar::new() }
    }

    pub(super) fn open(&self) {
        self.lock().open = true;
    }

    /// Puts a message in; gives it back when the queue is closed.
    pub(super) fn push(&self, held: Held) -> Result<(), Held> {
        let mut state = self.lock();
        if !state.open {
            return Err(held);
        }
        state.waiting.push_back(held);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for messages and takes up to `most`; `None` when the queue is closed.
    pub(super) fn next(&self, most: usize) -> Option<(Batch, InHand<'_>)> {
        let idle = |state: &mut State| state.open && state.waiting.is_empty();
        let mut state =
            self.arrived.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            return None;
        }
        let mails = state.waiting.len().min(most.max(1));
        let batch = Batch::new(state.waiting.drain(..mails).collect());
        state.writing += mails;
        let more = !state.waiting.is_empty();
        drop(state);
        if more {
            self.arrived.notify_one();
        }
        Some((batch, InHand { queue: self, mails }))
    }

    /// Waits until every message has been written; `false` when that took too long.
    pub(super) fn wait_until_idle(&self, most: Duration) -> bool {
        let until = Instant::now().checked_add(most);
        let mut state = self.lock();
        while !state.waiting.is_empty() || state.writing > 0 {
            let left = until.map_or(most, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            let waited = self.idle.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Takes nothing more and gives back what waits.
    pub(super) fn close(&self) -> VecDeque<Held> {
        let mut state = self.lock();
        state.open = false;
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        self.arrived.notify_all();
        left
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.queue.lock().writing -= self.mails;
        self.queue.idle.notify_all();
    }
}
