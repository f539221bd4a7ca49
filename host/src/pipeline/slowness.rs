//! Finding out that a stage that says it never blocks, blocks: it would hold up every connection of its thread.
//!
//! One call that takes long says nothing: the thread may have been waiting for a core. A stage is slow when [`ENOUGH`]
//! calls in all have been, with fewer than [`WEIGHT`] quick ones for each.
//!
//! A clock costs more than many a call, so one that is above suspicion is timed now and then only (see `Stage`). Under
//! suspicion, and then each of its calls is timed, is a new one and one that was found slow a moment ago.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What is known of one stage.
#[derive(Debug)]
pub(super) struct Slowness {
    /// Goes up by [`WEIGHT`] with each slow call and down by one with each other.
    score: AtomicU32,
}

impl Slowness {
    pub(super) fn new() -> Self {
        // Not enough for a slow call less to do.
        Self { score: AtomicU32::new(WEIGHT - 1) }
    }

    /// Whether the next call is to be timed.
    #[inline]
    pub(super) fn is_suspected(&self) -> bool {
        self.score.load(Ordering::Relaxed) != 0
    }

    /// A call has taken so long. Whether that is once too often.
    pub(super) fn took(&self, took: Duration) -> bool {
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

/// What counts as slow. A call that does not block takes microseconds.
const SLOW: Duration = Duration::from_millis(10);

/// Quick calls that make up for a slow one.
const WEIGHT: u32 = 16;

/// Slow calls that are too many.
const ENOUGH: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(9);

    #[test]
    fn only_who_is_slow_again_and_again_is_slow() {
        let slow = Slowness::new();
        let found: Vec<bool> = (0..ENOUGH).map(|_| slow.took(SLOW)).collect();
        assert_eq!(found, [false, false, false, false, true]);

        let busy = Slowness::new();
        for _ in 0..1000 {
            (0..WEIGHT).for_each(|_| assert!(!busy.took(QUICK)));
            assert!(!busy.took(SLOW), "once in a while");
        }
    }

    #[test]
    fn who_is_new_or_was_slow_is_watched() {
        let stage = Slowness::new();
        assert!(stage.is_suspected());
        (0..WEIGHT).for_each(|_| assert!(!stage.took(QUICK)));
        assert!(!stage.is_suspected());
        stage.took(SLOW);
        assert!(stage.is_suspected());
        (0..WEIGHT).for_each(|_| assert!(!stage.took(QUICK)));
        assert!(!stage.is_suspected());
    }
}
