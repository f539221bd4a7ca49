//! The end of a server, told to all that it does.
//!
//! A connection waits for it beside its client, some times for each message. To ask a token each time is to take a lock that
//! the connections of all threads share; so a connection enters itself once, in its thread's list, and from then on reads a word.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use slab::Slab;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::observe::cells::PerThread;

/// Whether a server is to end, and its successors with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    shared: Arc<Shared>,
    /// For those who wait once.
    token: CancellationToken,
}

#[derive(Debug, Default)]
struct Shared {
    begun: AtomicBool,
    /// The tasks that are to be woken.
    ears: PerThread<Mutex<Slab<Waker>>>,
}

impl Stop {
    /// Tells all.
    pub(super) fn begin(&self) {
        self.shared.begun.store(true, Ordering::SeqCst);
        self.token.cancel();
        for ears in self.shared.ears.iter() {
            let wakers: Vec<Waker> = lock(ears).iter().map(|(_, waker)| waker.clone()).collect();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether it has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// Waits until it begins.
    pub(super) fn begun(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }
}

/// How one task hears of it that waits for other things as well, again and again.
#[derive(Debug, Default)]
pub(super) struct Ear(Option<Entry>);

#[derive(Debug)]
struct Entry {
    shared: Arc<Shared>,
    thread: usize,
    key: usize,
}

impl Ear {
    /// Ready once it has begun. The task that asks first is the one that is woken: it must be the same each time.
    pub(super) fn poll(&mut self, stop: &Stop, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_none() {
            self.0 = Some(Entry::new(&stop.shared, cx.waker()));
        }
        // After the entry: whoever begins it meanwhile has seen that, or is seen here.
        if stop.has_begun() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Entry {
    fn new(shared: &Arc<Shared>, waker: &Waker) -> Self {
        let thread = shared.ears.number();
        let key = lock(shared.ears.of(thread)).insert(waker.clone());
        Self { shared: Arc::clone(shared), thread, key }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Dropped when the lock is free again: whatever else goes with it may have an entry here.
        let waker = lock(self.shared.ears.of(self.thread)).try_remove(self.key);
        drop(waker);
    }
}

fn lock(ears: &Mutex<Slab<Waker>>) -> MutexGuard<'_, Slab<Waker>> {
    ears.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn ears(stop: &Stop) -> usize {
        stop.shared.ears.iter().map(|ears| lock(ears).len()).sum()
    }

    #[tokio::test]
    async fn who_has_entered_once_is_woken() {
        let stop = Stop::default();
        let own = stop.clone();
        let task = tokio::spawn(async move {
            let mut ear = Ear::default();
            for _ in 0..3 {
                assert!(poll_fn(|cx| Poll::Ready(ear.poll(&own, cx))).await.is_pending());
            }
            poll_fn(|cx| ear.poll(&own, cx)).await;
        });
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        assert_eq!(ears(&stop), 1);
        stop.begin();
        task.await.unwrap();
        assert_eq!(ears(&stop), 0);
        let mut late = Ear::default();
        poll_fn(|cx| late.poll(&stop, cx)).await;
    }
}
