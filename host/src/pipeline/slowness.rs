//! Finding out that a stage that says it never blocks, blocks: it would hold up every connection of its thread.
//!
//! One call that takes long says nothing: the thread may have been waiting for a core. A stage is slow when [`ENOUGH`]
//! calls in all have been, with fewer than [`WEIGHT`] quick ones for each.
//!
//! Each call is timed, by a clock that costs a few nanoseconds to read because it only moves with the kernel's timer,
//! every 1 to 10 ms.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// What is known of one stage.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    /// Goes up by [`WEIGHT`] with each slow call and down by one with each other.
    score: AtomicU32,
}

/// The moment a call began.
pub(super) struct Begun(Duration);

impl Begun {
    #[inline]
    pub(super) fn now() -> Self {
        Self(coarse())
    }
}

impl Slowness {
    /// A call has ended. How long it took, if that is once too often.
    #[inline]
    pub(super) fn ended(&self, begun: &Begun) -> Option<Duration> {
        let took = coarse().saturating_sub(begun.0);
        self.took(took).then_some(took)
    }

    #[inline]
    fn took(&self, took: Duration) -> bool {
        if took >= SLOW {
            return self.score.fetch_add(WEIGHT, Ordering::Relaxed) + WEIGHT >= WEIGHT * ENOUGH;
        }
        let score = self.score.load(Ordering::Relaxed);
        if score != 0 {
            // Two threads that take down one point too few do no harm.
            self.score.store(score - 1, Ordering::Relaxed);
        }
        false
    }
}

#[inline]
fn coarse() -> Duration {
    // Every Linux since 2.6.32 has this clock; one that stands still finds nobody slow.
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map_or(Duration::ZERO, Duration::from)
}

/// What counts as slow; as the clock steps by up to 10 ms, at least half of it.
const SLOW: Duration = Duration::from_millis(20);

/// Quick calls that make up for a slow one.
const WEIGHT: u32 = 16;

/// Slow calls that are too many.
const ENOUGH: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_slow_again_and_again_is_slow() {
        let slow = Slowness::default();
        let found: Vec<bool> = (0..ENOUGH).map(|_| slow.took(SLOW)).collect();
        assert_eq!(found, [false, false, false, false, true]);

        let busy = Slowness::default();
        for _ in 0..1000 {
            assert!(!busy.took(SLOW), "once in a while");
            (0..WEIGHT).for_each(|_| assert!(!busy.took(Duration::from_millis(10))));
        }
    }
}
