//! A value for each thread: what many threads count, none of them fetches from another's cache.
//!
//! A counter that two cores write in turn costs more than most of what is counted. Whoever wants to know adds the
//! cells up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// As many values as there are cores.
#[derive(Debug)]
pub(crate) struct PerThread<T>(Box<[Padded<T>]>);

/// Aligned so that no two threads write to one cache line (processors fetch them in pairs).
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> PerThread<T> {
    pub(crate) fn new(make: impl Fn() -> T) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self((0..cores).map(|_| Padded(make())).collect())
    }

    /// That of this thread. Should two threads share one (pools, several daemons in one program), it must bear it.
    #[inline]
    pub(crate) fn mine(&self) -> &T {
        self.of(self.number())
    }

    /// Which one is this thread's: for what is to be found again from another thread.
    #[inline]
    pub(crate) fn number(&self) -> usize {
        number_of_this_thread() % self.0.len()
    }

    /// The one with this number.
    #[inline]
    pub(crate) fn of(&self, number: usize) -> &T {
        &self.0[number].0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

/// Gives this thread its number now. Threads that do so one after the other, no more of them than there are cores, share
/// no value with each other.
pub(crate) fn claim() {
    number_of_this_thread();
}

#[inline]
fn number_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_have_counted_is_all_there() {
        let counts: PerThread<AtomicUsize> = PerThread::default();
        std::thread::scope(|scope| {
            for _ in 0..9 {
                scope.spawn(|| counts.mine().fetch_add(1, Ordering::Relaxed));
            }
        });
        let sum: usize = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 9);
    }
}
