//! Which instance a thread works for.
//!
//! A shared library has its own thread-locals and its own panic hook, and may serve several instances at once. What is
//! written without saying for whom (a `tracing` event, a panic in a thread) goes to the instance that the thread
//! works for, else to the one that was made last.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::host::Host;

/// While it lives, its thread works for an instance.
pub(crate) struct Working {
    before: Option<Job>,
}

impl Working {
    /// From now on this thread works for that instance. With `guarded`, somebody catches its panics.
    #[inline]
    pub(crate) fn on(host: Host, guarded: bool) -> Self {
        // A thread that is ending has no thread-locals any more.
        Self { before: JOB.try_with(|job| job.replace(Some(Job { host, guarded }))).ok().flatten() }
    }
}

impl Drop for Working {
    #[inline]
    fn drop(&mut self) {
        let _ = JOB.try_with(|job| job.set(self.before));
    }
}

#[derive(Clone, Copy)]
struct Job {
    host: Host,
    guarded: bool,
}

/// The instance that this thread works for, or the one that was made last.
pub(crate) fn host() -> Option<Host> {
    job().map(|job| job.host).or_else(|| living().last().copied())
}

/// Whether somebody catches the panics of this thread and reports them.
pub(crate) fn is_guarded() -> bool {
    job().is_some_and(|job| job.guarded)
}

/// An instance has been made.
pub(crate) fn made(host: Host) {
    living().push(host);
}

/// It has ended.
pub(crate) fn ended(host: Host) {
    living().retain(|living| living.instance() != host.instance());
}

fn job() -> Option<Job> {
    JOB.try_with(Cell::get).ok().flatten()
}

fn living() -> MutexGuard<'static, Vec<Host>> {
    static LIVING: Mutex<Vec<Host>> = Mutex::new(Vec::new());
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static JOB: Cell<Option<Job>> = const { Cell::new(None) };
}
