//! At most so many connections at a time, each kept for a while when its message is done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, interval};

/// A pool of what connections are to its owner.
pub struct Pool<C> {
    /// How long one is kept without a message.
    keep: Duration,
    places: Semaphore,
    idle: Mutex<Vec<(C, Instant)>>,
}

impl<C: Send + 'static> Pool<C> {
    /// With so many places. `keep` is how long one is kept unused; zero: not at all.
    pub fn new(most: usize, keep: Duration) -> Arc<Self> {
        Arc::new(Self { keep, places: Semaphore::new(most), idle: Mutex::default() })
    }

    /// Whether connections outlive a message.
    pub fn keeps(&self) -> bool {
        !self.keep.is_zero()
    }

    /// Waits for the right to use a connection. First come, first served.
    pub async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// One that was kept, the last first. Whether its server has closed it meanwhile is for the owner to see.
    pub fn kept(&self) -> Option<C> {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < self.keep);
        idle.pop().map(|(connection, _)| connection)
    }

    /// Keeps one for the next message.
    pub fn keep(&self, connection: C) {
        if self.keeps() {
            self.idle().push((connection, Instant::now()));
        }
    }

    /// Closes all that are not in use.
    pub fn close(&self) {
        self.idle().clear();
    }

    /// Closes those that were kept long enough, for as long as anybody has the pool. To be spawned: a server may have better use for
    /// the process that each of them occupies than to wait for our next message.
    pub fn tend(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<C> {
        let (pool, keep) = (Arc::downgrade(self), self.keep);
        async move {
            if keep.is_zero() {
                return;
            }
            let mut ticks = interval(keep / 4);
            loop {
                ticks.tick().await;
                let Some(pool) = Weak::upgrade(&pool) else { return };
                pool.idle().retain(|(_, since)| since.elapsed() < keep);
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(C, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn none_is_kept_for_longer_than_was_said() {
        let pool = Pool::new(1, Duration::from_secs(8));
        let tended = tokio::spawn(pool.tend());
        let (one, other) = (Arc::new(()), Arc::new(()));
        pool.keep(Arc::clone(&one));
        tokio::time::sleep(Duration::from_secs(5)).await;
        pool.keep(Arc::clone(&other));
        // Behind the tick at 8 s; nobody has asked for one meanwhile.
        tokio::time::sleep(Duration::from_millis(4500)).await;
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (1, 2));
        assert!(pool.kept().is_some() && pool.kept().is_none());
        drop(pool);
        tended.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_keeps_nothing_needs_no_tending() {
        let pool = Pool::new(1, Duration::ZERO);
        pool.keep(());
        assert!(pool.kept().is_none());
        pool.tend().await;
    }
}
