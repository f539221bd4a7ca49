//! Threads for processors that block.
//!
//! Each stage has a pool of its own (a bulkhead): one that hangs takes its own threads and nobody else's. Threads are
//! started when there is work and no idle one, up to the limit, and end after a while without work.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// A bounded number of threads that run calls in order of arrival.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    /// Name of the threads, for `top -H`.
    name: String,
    limit: usize,
    state: Mutex<State>,
    work: Condvar,
    /// Calls that wait for a thread, for the figures.
    waiting: Arc<AtomicU64>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

type Job = Box<dyn FnOnce() + Send>;

impl Pool {
    /// A pool without threads yet. `waiting` is kept at the number of calls that wait for one.
    pub(super) fn new(name: &str, limit: usize, waiting: Arc<AtomicU64>) -> Self {
        let (name, state, work) = (name.to_owned(), Mutex::default(), Condvar::new());
        let shared = Shared { name, limit, state, work, waiting };
        Self { shared: Arc::new(shared) }
    }

    /// Runs a call on one of the threads. The receiver fails when no thread can be had.
    pub(super) fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody waits any more when the daemon has ended.
            let _ = answer.send(call());
        });
        let mut state = self.shared.lock();
        state.queue.push_back(job);
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if state.queue.len() > state.idle && state.threads < self.shared.limit {
            state.threads += 1;
            drop(state);
            self.spawn();
        } else {
            drop(state);
            self.shared.work.notify_one();
        }
        receiver
    }

    fn spawn(&self) {
        let shared = Arc::clone(&self.shared);
        let spawned = thread::Builder::new().name(shared.name.clone()).spawn(move || shared.work());
        if let Err(error) = spawned {
            let mut state = self.shared.lock();
            state.threads -= 1;
            tracing::error!("{}: no thread for a blocking processor: {error}", self.shared.name);
            if state.threads == 0 {
                // Nobody would ever come: dropping the jobs tells those who wait.
                let given_up = state.queue.drain(..).count();
                self.shared.waiting.fetch_sub(given_up as u64, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (guard, waited) =
                self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = guard;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn no_more_threads_than_allowed_and_all_work_is_done() {
        let waiting = Arc::<AtomicU64>::default();
        let pool = Pool::new("test", 2, Arc::clone(&waiting));
        let (entered, entries) = mpsc::channel();
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        let answers: Vec<_> = (0..5)
            .map(|i| {
                let (gate, entered) = (Arc::clone(&gate), entered.clone());
                pool.run(move || {
                    entered.send(i).unwrap();
                    drop(gate.lock());
                    i * 10
                })
            })
            .collect();
        assert_eq!([entries.recv().unwrap(), entries.recv().unwrap()].len(), 2);
        assert_eq!(waiting.load(Ordering::Relaxed), 3, "two run, three wait");
        drop(closed);
        let values: Vec<i32> = answers.into_iter().map(|a| a.blocking_recv().unwrap()).collect();
        assert_eq!(values, [0, 10, 20, 30, 40]);
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
    }
}
