//! When messages are due in open-loop mode: at a fixed rate, whatever the server does.
//!
//! A client that waits for a slow server before it sends again measures few of the waits that real clients would have
//! had ("coordinated omission"). Here a message has a time at which it is due, and its latency counts from there, also
//! when no connection was free for it.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// The times, and a timer for the next one: epoll's own is too coarse.
#[derive(Debug)]
pub struct Pace {
    timer: TimerFd,
    interval: Duration,
    next: Instant,
}

impl Pace {
    /// So many messages a second; the first is due at `start`. More than 0.
    pub fn new(rate: f64, start: Instant) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        Ok(Self { timer, interval: Duration::from_secs_f64(1.0 / rate), next: start })
    }

    /// Tells epoll of the timer.
    pub fn register(&self, registry: &Registry, token: usize) -> io::Result<()> {
        registry.register(
            &mut SourceFd(&self.timer.as_fd().as_raw_fd()),
            Token(token),
            Interest::READABLE,
        )
    }

    /// The next message, if it is due: when it was.
    pub fn due(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next;
        (due <= now).then(|| {
            self.next += self.interval;
            due
        })
    }

    /// Wakes epoll when the next message is due.
    pub fn arm(&self, now: Instant) -> io::Result<()> {
        // Zero would disarm it.
        let wait = self.next.saturating_duration_since(now).max(Duration::from_nanos(1));
        Ok(self.timer.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty())?)
    }

    /// How many messages were due before `end` and have not been taken.
    pub fn overdue(&self, end: Instant) -> u64 {
        let late = end.saturating_duration_since(self.next).as_nanos();
        u64::try_from(late / self.interval.as_nanos().max(1)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_their_times_however_late_they_are_taken() {
        let start = Instant::now();
        let mut pace = Pace::new(100.0, start).unwrap();
        let late = start + Duration::from_millis(25);
        let due: Vec<_> = std::iter::from_fn(|| pace.due(late)).map(|due| due - start).collect();
        assert_eq!(due, [0, 10, 20].map(Duration::from_millis));
        assert_eq!(pace.overdue(start + Duration::from_millis(75)), 4);
    }
}
