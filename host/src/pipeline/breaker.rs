//! What a fault of a stage means, and leaving one alone that has nothing else.
//!
//! After [`FAULTS`] faults in a row a stage is not called for a while; the question is answered as its policy says. The while
//! doubles with each fault that follows, and the first good answer ends it. A backend that is down is so asked once
//! in a while and not by every client, and a thread that hangs is not joined by all the others.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::OnFault;

/// The state of one stage.
#[derive(Debug)]
pub(super) struct Breaker {
    on_fault: OnFault,
    /// Faults since the last good answer.
    faults: AtomicU32,
    /// Milliseconds after `made` until which the stage is left alone.
    open_until: AtomicU64,
    made: Instant,
}

impl Breaker {
    pub(super) fn new(on_fault: OnFault) -> Self {
        let (faults, open_until) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { on_fault, faults, open_until, made: Instant::now() }
    }

    /// What a fault means.
    pub(super) fn on_fault(&self) -> OnFault {
        self.on_fault
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
    pub(super) fn fault(&self, now: Instant) -> Option<Duration> {
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

/// Faults in a row that open the breaker.
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
        let breaker = Breaker::new(OnFault::Defer);
        let now = Instant::now();
        for _ in 1..FAULTS {
            assert_eq!(breaker.fault(now), None);
        }
        assert!(!breaker.is_open(|| now));
        assert_eq!(breaker.fault(now), Some(FIRST_PAUSE));
        assert!(breaker.is_open(|| now) && !breaker.is_open(|| now + FIRST_PAUSE));
        assert_eq!(breaker.fault(now + FIRST_PAUSE), Some(FIRST_PAUSE * 2));
        breaker.good();
        assert!(!breaker.is_open(|| now + FIRST_PAUSE));
        assert_eq!(breaker.fault(now), None, "it begins anew");
    }

    #[test]
    fn the_pause_has_an_end() {
        let breaker = Breaker::new(OnFault::Defer);
        let now = Instant::now();
        let longest = (0..1000).filter_map(|_| breaker.fault(now)).max();
        assert_eq!(longest, Some(LONGEST_PAUSE));
    }
}
