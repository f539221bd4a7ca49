//! How long calls took: fixed buckets, each four times as wide as the one before, from 256 ns to 69 s.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts by duration.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    /// Nanoseconds in all: enough for 584 years.
    sum: AtomicU64,
}

impl Histogram {
    /// One has taken so long.
    pub(crate) fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The counts at this moment.
    pub(crate) fn read(&self) -> Times {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Times {
            buckets: (0..BUCKETS).map(bound).zip(counts).collect(),
            sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)),
        }
    }
}

/// A histogram at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    /// Upper bound (itself included) and count of each bucket; the last one has no bound.
    pub(crate) buckets: Vec<(Option<Duration>, u64)>,
    /// All durations together.
    pub(crate) sum: Duration,
}

impl Times {
    /// Nothing was recorded.
    pub(crate) fn none() -> Self {
        Histogram::default().read()
    }

    /// Counts another one's together with these.
    pub(crate) fn add(&mut self, more: &Self) {
        for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&more.buckets) {
            *count += more;
        }
        self.sum += more.sum;
    }

    /// How many were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// The bound below which so many hundredths of all are; `None` when they are beyond the last.
    fn within(&self, hundredths: u64) -> Option<Duration> {
        let wanted = (self.count() * hundredths).div_ceil(100);
        let mut below = 0;
        let found = self.buckets.iter().find(|(_, count)| {
            below += count;
            below >= wanted
        });
        found.and_then(|(bound, _)| *bound)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count();
        write!(f, "timed={count}")?;
        if count == 0 {
            return Ok(());
        }
        let mean = self.sum / u32::try_from(count).unwrap_or(u32::MAX);
        write!(f, " mean={mean:.1?}")?;
        for (name, hundredths) in [("p50", 50), ("p99", 99)] {
            match self.within(hundredths) {
                Some(bound) => write!(f, " {name}<={bound:.1?}")?,
                None => write!(f, " {name}>{:.1?}", bound(BUCKETS - 2).unwrap_or_default())?,
            }
        }
        Ok(())
    }
}

const BUCKETS: usize = 16;

/// The first bound is 2 to this power.
const FIRST: u32 = 8;

fn bucket(nanos: u64) -> usize {
    // Bits beyond those of the first bound, two for each bucket.
    let bits = u64::BITS - nanos.saturating_sub(1).leading_zeros();
    (bits.saturating_sub(FIRST).div_ceil(2) as usize).min(BUCKETS - 1)
}

fn bound(bucket: usize) -> Option<Duration> {
    (bucket < BUCKETS - 1).then(|| Duration::from_nanos(1 << (FIRST as usize + 2 * bucket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        for at in 0..BUCKETS - 1 {
            let nanos = u64::try_from(bound(at).expect("bounded").as_nanos()).unwrap();
            assert_eq!((bucket(nanos), bucket(nanos + 1)), (at, at + 1));
        }
        assert_eq!((bucket(0), bucket(1), bucket(u64::MAX)), (0, 0, BUCKETS - 1));
    }

    #[test]
    fn shares_are_told_by_their_bounds() {
        let histogram = Histogram::default();
        (0..98).for_each(|_| histogram.record(Duration::from_nanos(300)));
        (0..2).for_each(|_| histogram.record(Duration::from_secs(100)));
        let times = histogram.read();
        assert_eq!(times.count(), 100);
        assert_eq!(times.to_string(), "timed=100 mean=2.0s p50<=1.0µs p99>68.7s");
        assert_eq!(Histogram::default().read().to_string(), "timed=0");
    }
}
