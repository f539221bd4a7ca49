//! How long to wait before the next attempt.

use std::time::Duration;

/// Delays that double from attempt to attempt. The first one is none: a connection that was closed while nobody used it is found out
/// by the first command on it.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Counts a failed attempt; how long to wait before the next.
    pub fn failed(&mut self) -> Duration {
        let delay = match self.attempts {
            0 => Duration::ZERO,
            n => SHORTEST.saturating_mul(1 << (n - 1).min(10)).min(LONGEST),
        };
        self.attempts = self.attempts.saturating_add(1);
        delay
    }

    /// Failed attempts so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

const SHORTEST: Duration = Duration::from_millis(25);
/// Mail flows again within so long after Redis is back.
const LONGEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let delays: Vec<u128> = (0..8).map(|_| backoff.failed().as_millis()).collect();
        assert_eq!(delays, [0, 25, 50, 100, 200, 400, 500, 500]);
        assert_eq!(backoff.attempts(), 8);
        let mut backoff = Backoff { attempts: u32::MAX };
        assert_eq!(backoff.failed(), LONGEST);
    }
}
