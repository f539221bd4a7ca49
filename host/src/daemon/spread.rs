//! How many of the network threads new connections go to: as few as keep up.
//!
//! A thread more helps only where a core has nothing else to do. Where clients, databases or processors have the cores,
//! it takes them away from those and costs switches: on two cores that it shared with its clients, the daemon served fewer
//! messages by two threads than by one, for more of the processor (`bench/NOTES.md`). So connections go to the first
//! threads until these have little time left and a core is idle.
//!
//! *Never*: leaves connections to a thread that hangs. While one does not answer, they go to all.
//!
//! *Limits*: connections that are there stay where they are. Sockets of a service manager are not ours to steer, and a Unix
//! socket has one thread.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::net::steer;

/// Deals connections out to threads.
#[derive(Clone)]
pub(super) struct Spread(Arc<Dealt>);

struct Dealt {
    threads: usize,
    /// Threads that new connections go to.
    in_use: AtomicUsize,
    groups: Mutex<Vec<Weak<OwnedFd>>>,
}

/// The sockets of an address. When it is dropped they are no longer steered.
pub(super) struct Group(Arc<OwnedFd>);

impl Spread {
    /// Over the threads of these runtimes. It is watched on the last of them, which has the least to do: should that one hang
    /// for all that, connections go to all by then.
    pub(super) fn over(threads: &[Handle]) -> Self {
        let this = Self(Arc::new(Dealt {
            threads: threads.len(),
            in_use: AtomicUsize::new(fewest(threads.len())),
            groups: Mutex::default(),
        }));
        if let [_, .., last] = threads {
            last.spawn(watch(Arc::downgrade(&this.0), threads.to_vec()));
        }
        this
    }

    /// Steers the group that a socket is in. None where that cannot be done: then it is as the kernel wants it.
    pub(super) fn steer(&self, socket: &TcpListener) -> Option<Group> {
        if self.0.threads < 2 {
            return None;
        }
        let socket = OwnedFd::from(socket.try_clone().ok()?);
        if let Err(error) = steer(&socket, self.0.in_use.load(Ordering::Relaxed) as u32) {
            tracing::debug!("connections cannot be steered to the threads with time: {error}");
            return None;
        }
        let group = Arc::new(socket);
        let mut groups = self.0.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|group| group.strong_count() > 0);
        groups.push(Arc::downgrade(&group));
        Some(Group(group))
    }
}

impl Group {
    /// Leaves all sockets to whoever listens on them next.
    pub(super) fn let_go(self) {
        // More than there are: the kernel chooses.
        let _ = steer(&self.0, u32::MAX);
    }
}

impl Dealt {
    fn put(&self, in_use: usize) {
        self.in_use.store(in_use, Ordering::Relaxed);
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        for group in groups.iter().filter_map(Weak::upgrade) {
            // It has worked before. If not, they go where they went.
            let _ = steer(&group, in_use as u32);
        }
    }
}

/// Looks from time to time, as long as anybody deals.
async fn watch(dealt: Weak<Dealt>, threads: Vec<Handle>) {
    let mut pulse: Vec<Beat> = threads.iter().map(Beat::of).collect();
    let mut before = Look::now(&threads);
    let mut pause = QUIET;
    loop {
        tokio::time::sleep(pause).await;
        let Some(dealt) = dealt.upgrade() else { return };
        let now = Look::now(&threads);
        let found = Found { hangs: pulse.iter_mut().any(Beat::is_missing), ..now.since(&before) };
        before = now;
        pause = if found.busy < LITTLE { QUIET } else { LIVELY };
        let in_use = dealt.in_use.load(Ordering::Relaxed);
        let wanted = found.wanted(in_use, dealt.threads);
        if wanted != in_use {
            tracing::debug!("new connections go to {wanted} of {} threads", dealt.threads);
            dealt.put(wanted);
        }
    }
}

/// What has gone on between two looks.
#[derive(Debug, Default, PartialEq)]
struct Found {
    /// Threads' worth of work: 1.5 is one that never rested and one that rested half of the time.
    busy: f64,
    /// Cores' worth of idleness.
    idle: f64,
    /// A thread does not answer.
    hangs: bool,
}

impl Found {
    /// So many threads are to have new connections.
    fn wanted(&self, in_use: usize, threads: usize) -> usize {
        let (fewest, part) = (fewest(threads), in_use as f64);
        if self.hangs {
            threads
        } else if self.busy > FULL * part && self.idle > SPARE {
            threads.min(in_use + 1)
        } else if self.busy < ENOUGH * (part - 1.0) {
            fewest.max(in_use - 1)
        } else {
            in_use
        }
    }
}

/// The clocks that are read at a look.
struct Look {
    at: Instant,
    busy: Duration,
    /// Of all cores since the machine has started; None: the system does not tell, so that it counts for nothing.
    idle: Option<f64>,
}

impl Look {
    fn now(threads: &[Handle]) -> Self {
        let busy = threads.iter().map(|thread| thread.metrics().worker_total_busy_duration(0));
        Self { at: Instant::now(), busy: busy.sum(), idle: idle_seconds() }
    }

    fn since(&self, before: &Self) -> Found {
        let seconds = (self.at - before.at).as_secs_f64().max(f64::MIN_POSITIVE);
        let idle = self.idle.zip(before.idle).map_or(f64::INFINITY, |(now, then)| now - then);
        let busy = self.busy.saturating_sub(before.busy).as_secs_f64();
        Found { busy: busy / seconds, idle: idle / seconds, hangs: false }
    }
}

/// The second number of `/proc/uptime` (proc(5)).
fn idle_seconds() -> Option<f64> {
    fs::read_to_string("/proc/uptime").ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A thread is asked to do next to nothing.
struct Beat {
    thread: Handle,
    asked: Instant,
    answer: JoinHandle<()>,
}

impl Beat {
    fn of(thread: &Handle) -> Self {
        Self { thread: thread.clone(), asked: Instant::now(), answer: thread.spawn(async {}) }
    }

    /// Whether it has not for a long time. Asks again when it has.
    fn is_missing(&mut self) -> bool {
        if self.answer.is_finished() {
            *self = Self::of(&self.thread);
        }
        self.asked.elapsed() > PATIENCE
    }
}

/// A quarter of them: a burst on a large machine does not meet a single thread, and a single queue.
fn fewest(threads: usize) -> usize {
    (threads / 4).max(1)
}

/// The part of its time from which on a thread needs help: its clients begin to wait for one another.
const FULL: f64 = 0.75;

/// Cores that have to be idle for a thread more to be of use.
const SPARE: f64 = 0.5;

/// When the others would have only so much of their time taken, one is left to its present connections.
const ENOUGH: f64 = 0.5;

/// Below so much work there is no need to look often.
const LITTLE: f64 = 0.05;

const LIVELY: Duration = Duration::from_millis(200);
const QUIET: Duration = Duration::from_secs(1);

/// A thread that takes longer to do nothing hangs, and not for want of processors.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_few_threads_as_keep_up() {
        let wanted = |busy, idle, in_use, threads| {
            Found { busy, idle, hangs: false }.wanted(in_use, threads)
        };
        // A thread has time left, or nobody has a core for another.
        assert_eq!(wanted(0.7, 1.2, 1, 2), 1);
        assert_eq!(wanted(0.99, 0.2, 1, 2), 1);
        // One at a time, up to all.
        assert_eq!(wanted(0.9, 1.0, 1, 2), 2);
        assert_eq!(wanted(1.9, 1.0, 2, 2), 2);
        assert_eq!(wanted(1.9, f64::INFINITY, 2, 4), 3);
        // Back when the others have plenty of time, not as soon as they could.
        assert_eq!(wanted(0.6, 1.0, 2, 2), 2);
        assert_eq!(wanted(0.4, 1.0, 2, 2), 1);
        assert_eq!(wanted(0.0, 2.0, 1, 2), 1);
        // A large machine has more of them at the least.
        assert_eq!(wanted(0.0, 64.0, 17, 64), 16);
        assert_eq!(wanted(0.0, 64.0, 16, 64), 16);
    }

    #[test]
    fn all_threads_while_one_hangs() {
        let found = Found { busy: 0.0, idle: 0.0, hangs: true };
        assert_eq!(found.wanted(1, 8), 8);
    }

    #[test]
    fn time_is_taken_between_two_looks() {
        let then = Instant::now();
        let look = |at, busy, idle| Look {
            at: then + Duration::from_millis(at),
            busy: Duration::from_millis(busy),
            idle,
        };
        let since = |idle| look(200, 1150, idle).since(&look(0, 1000, Some(60.0))).idle;
        let found = look(200, 1150, Some(60.2)).since(&look(0, 1000, Some(60.0)));
        assert!((found.busy - 0.75).abs() < 1e-9, "{found:?}");
        assert!((found.idle - 1.0).abs() < 1e-6, "{found:?}");
        assert_eq!(since(None), f64::INFINITY);
        assert!(idle_seconds().is_some());
    }
}
