//! The runtime of one instance, and how many of its tasks are under way.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that may not have started yet.
#[derive(Default)]
pub(super) struct OwnRuntime {
    runtime: Mutex<Option<Runtime>>,
    tasks: Arc<Tasks>,
}

#[derive(Default)]
struct Tasks {
    under_way: Mutex<usize>,
    none_left: Condvar,
}

/// A task under way.
struct Ticket(Arc<Tasks>);

impl OwnRuntime {
    /// Starts it with so many threads of that name.
    pub(super) fn start(&self, name: &str, threads: usize) -> Result<(), String> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads.max(1)).thread_name(name).enable_all();
        let runtime = builder.build().map_err(|error| format!("no runtime: {error}"))?;
        *self.lock() = Some(runtime);
        Ok(())
    }

    /// Begins a task; `false`, and the task is dropped, when the runtime does not run.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let Some(handle) = self.handle() else { return false };
        let ticket = Ticket::new(&self.tasks);
        handle.spawn(async move {
            // First moved in and last dropped: the message is given back before the task counts as ended.
            let _ticket = ticket;
            task.await;
        });
        true
    }

    /// Runs a future on this thread while its timers and sockets are served by the runtime.
    ///
    /// Unlike tokio's own way of blocking this works on a thread of another runtime too: a test's, or the host's
    /// where the processor is built in.
    pub(super) fn wait_for<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let handle = self.handle()?;
        let _entered = handle.enter();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                return Some(result);
            }
            thread::park();
        }
    }

    /// Waits until no task is under way, but no longer than that.
    pub(super) fn wait_until_idle(&self, most: Duration) {
        let until = Instant::now().checked_add(most);
        let mut under_way = self.tasks.lock();
        while *under_way > 0 {
            let left = until.map_or(most, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            let waited = self.tasks.none_left.wait_timeout(under_way, left);
            (under_way, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Cancels what is left and ends the threads. One that does not come back within `GRACE` is left behind.
    pub(super) fn stop(&self) {
        let Some(runtime) = self.lock().take() else { return };
        // On a thread of another runtime tokio refuses to wait.
        let ended = thread::spawn(move || runtime.shutdown_timeout(GRACE)).join();
        debug_assert!(ended.is_ok(), "ending a runtime does not panic");
    }

    fn handle(&self) -> Option<Handle> {
        self.lock().as_ref().map(|runtime| runtime.handle().clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Runtime>> {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Tasks {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn new(tasks: &Arc<Tasks>) -> Self {
        *tasks.lock() += 1;
        Self(Arc::clone(tasks))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.none_left.notify_all();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// How long a thread may take to come to its next `.await` when the runtime ends.
const GRACE: Duration = Duration::from_secs(1);
