//! What a failure of a stage means, and leaving one alone that has nothing else.
//!
//! After [`FAULTS`] failures in a row a stage is not called for a while; the question is answered as its policy for the last
//! of them says. The while doubles with each one that follows, and the first good answer ends it. A backend that is down is so asked once
//! in a while and not by every client, and a thread that hangs is not joined by all the others.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::{OnFailure, ProcessorSection};

/// How a stage has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// By a panic or an answer that is none.
    Fault,
    /// It has not answered in time.
    Timeout,
}

/// What the failures of a stage mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) on_fault: OnFailure,
    pub(super) on_timeout: OnFailure,
}

impl Policy {
    /// What a section says.
    pub(super) fn in_section(section: &ProcessorSection) -> Self {
        Self { on_fault: section.on_fault, on_timeout: section.on_timeout }
    }

    /// What this one means.
    pub(super) fn of(self, failure: Failure) -> OnFailure {
        match failure {
            Failure::Fault => self.on_fault,
            Failure::Timeout => self.on_timeout,
        }
    }
}

/// The state of one stage.
#[derive(Debug)]
pub(super) struct Breaker {
    pub(super) policy: Policy,
    /// Failures since the last good answer.
    faults: AtomicU32,
    /// Whether the last one was a timeout.
    timed_out: AtomicBool,
    /// Milliseconds after `made` until which the stage is left alone.
    open_until: AtomicU64,
    made: Instant,
}

impl Breaker {
    pub(super) fn new(policy: Policy) -> Self {
        let (faults, open_until) = (AtomicU32::new(0), AtomicU64::new(0));
        let timed_out = AtomicBool::new(false);
        Self { policy, faults, timed_out, open_until, made: Instant::now() }
    }

    /// How the stage has failed last.
    pub(super) fn last(&self) -> Failure {
        if self.timed_out.load(Ordering::Relaxed) { Failure::Timeout } else { Failure::Fault }
    }

    /// Whether the stage is left alone at the moment.
    pub(super) fn is_open(&self, now: impl FnOnce() -> Instant) -> bool {
        // An ordinary stage has no faults, and then nobody reads a clock.
        self.faults.load(Ordering::Relaxed) >= FAULTS
            && self.since_made(now()) < self.open_until.load(Ordering::Relaxed)
    }

    /// The stage has answered.
    pub(super) fn good(&self) {
        if self.faults.load(Ordering::Relaxed) != 0 {
            self.faults.store(0, Ordering::Relaxed);
        }
    }

    /// The stage has failed. For how long it is left alone now.
    pub(super) fn failed(&self, failure: Failure, now: Instant) -> Option<Duration> {
        self.timed_out.store(failure == Failure::Timeout, Ordering::Relaxed);
        let faults = self.faults.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let doublings = faults.checked_sub(FAULTS)?.min(16);
        let pause = (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE);
        let until = self.since_made(now) + u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.open_until.store(until, Ordering::Relaxed);
        Some(pause)
    }

    fn since_made(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Failures in a row that open the breaker.
const FAULTS: u32 = 10;
/// How long a stage is left alone first.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_many_faults_and_closes_with_the_first_good_answer() {
        let breaker = Breaker::new(Policy::default());
        let now = Instant::now();
        for _ in 1..FAULTS {
            assert_eq!(breaker.failed(Failure::Fault, now), None);
        }
        assert!(!breaker.is_open(|| now));
        assert_eq!(breaker.failed(Failure::Fault, now), Some(FIRST_PAUSE));
        assert!(breaker.is_open(|| now) && !breaker.is_open(|| now + FIRST_PAUSE));
        assert_eq!(breaker.failed(Failure::Timeout, now + FIRST_PAUSE), Some(FIRST_PAUSE * 2));
        assert_eq!(breaker.last(), Failure::Timeout);
        breaker.good();
        assert!(!breaker.is_open(|| now + FIRST_PAUSE));
        assert_eq!(breaker.failed(Failure::Fault, now), None, "it begins anew");
    }

    #[test]
    fn the_pause_has_an_end() {
        let breaker = Breaker::new(Policy::default());
        let now = Instant::now();
        let longest = (0..1000).filter_map(|_| breaker.failed(Failure::Fault, now)).max();
        assert_eq!(longest, Some(LONGEST_PAUSE));
    }
}
