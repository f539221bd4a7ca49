//! Messages that wait for a writer.
//!
//! A batch costs what a message alone costs, nearly, so they had better be few and large. The first writer takes what there is at once. Another
//! begins when those that write have left a [`Backlog`] worth one: so writers are as many as there is work, none is woken for
//! each message, and one that hangs holds nobody up. Whoever has written takes all that has come meanwhile.
//!
//! To notify is a system call even where nobody waits, so it is known who does.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Backlog, Batch};
use crate::held::Held;

/// A queue from many connections to a few writers. Putting in never waits for a writer.
pub(super) struct Queue {
    /// What is worth one writer more.
    backlog: Backlog,
    state: Mutex<State>,
    arrived: Condvar,
    /// Wakes the writer that stands by.
    gathered: Condvar,
    idle: Condvar,
}

struct State {
    waiting: VecDeque<Held>,
    /// Messages that writers have in hand.
    writing: usize,
    /// Writers that have any.
    writers: usize,
    /// Writers that wait until a message arrives.
    resting: usize,
    /// A writer waits for more to come.
    stands_by: bool,
    /// Somebody waits until all is written.
    draining: bool,
    open: bool,
}

/// Tells the queue when a writer is done, also after a panic.
pub(super) struct InHand<'a> {
    queue: &'a Queue,
    mails: usize,
}

impl Queue {
    /// One that takes nothing yet.
    pub(super) fn closed(backlog: Backlog) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            writing: 0,
            writers: 0,
            resting: 0,
            stands_by: false,
            draining: false,
            open: false,
        };
        Self {
            backlog,
            state: Mutex::new(state),
            arrived: Condvar::new(),
            gathered: Condvar::new(),
            idle: Condvar::new(),
        }
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
        let wakes = match state.stands_by {
            true => self.is_due(&state).then_some(&self.gathered),
            false => (state.resting > 0).then_some(&self.arrived),
        };
        drop(state);
        if let Some(writer) = wakes {
            writer.notify_one();
        }
        Ok(())
    }

    /// Waits for messages and takes up to `most`; `None` when the queue is closed.
    pub(super) fn next(&self, most: usize) -> Option<(Batch, InHand<'_>)> {
        let mut state = self.lock();
        // Whoever has just written takes what has come meanwhile.
        if state.waiting.is_empty() {
            state = self.worth_it(state);
        }
        if state.waiting.is_empty() {
            return None;
        }
        let mails = state.waiting.len().min(most.max(1));
        let batch = Batch::new(state.waiting.drain(..mails).collect());
        state.writing += mails;
        state.writers += 1;
        let more = !state.waiting.is_empty() && !state.stands_by && state.resting > 0;
        drop(state);
        if more {
            self.arrived.notify_one();
        }
        Some((batch, InHand { queue: self, mails }))
    }

    /// Waits until there is enough for one writer more, or none can be had in time, or the end.
    fn worth_it<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        loop {
            if !state.open {
                return state;
            }
            if state.waiting.is_empty() || state.stands_by {
                state.resting += 1;
                state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.resting -= 1;
                continue;
            }
            if self.is_due(&state) {
                return state;
            }
            state.stands_by = true;
            let waited = self.gathered.wait_timeout(state, self.backlog.time);
            let (back, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = back;
            state.stands_by = false;
            if waited.timed_out() && !state.waiting.is_empty() {
                return state;
            }
        }
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
            state.draining = true;
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
        self.gathered.notify_all();
        left
    }

    /// Whether one more writer has enough to do.
    fn is_due(&self, state: &State) -> bool {
        state.waiting.len() >= self.backlog.messages.saturating_mul(state.writers)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.writing -= self.mails;
        state.writers -= 1;
        let draining = state.draining;
        drop(state);
        if draining {
            self.queue.idle.notify_all();
        }
    }
}
