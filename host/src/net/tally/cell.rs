//! The counters of one server on one thread.

use std::sync::atomic::{AtomicU64, Ordering};

use guerrilla_smtp::COMMANDS;

use super::{LIMITS, Limit, REASONS, TLS_FAILURES, TLS_VERSIONS, Totals, VERDICTS};
use crate::pipeline::Histogram;

/// One thread's share.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) messages: [Counter; VERDICTS.len()],
    pub(super) bytes: Counter,
    pub(super) turned_away: Counter,
    pub(super) commands: [Counter; COMMANDS.len()],
    pub(super) replies: [Counter; CODES],
    limits: [Counter; LIMITS.len()],
    pub(super) closed: [Counter; REASONS.len()],
    pub(super) handshakes: [Counter; TLS_VERSIONS.len()],
    pub(super) handshakes_failed: [Counter; TLS_FAILURES.len()],
    pub(super) took: Histogram,
}

/// A number that only grows.
#[derive(Debug)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    const fn zero() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            messages: [const { Counter::zero() }; VERDICTS.len()],
            bytes: Counter::zero(),
            turned_away: Counter::zero(),
            commands: [const { Counter::zero() }; COMMANDS.len()],
            replies: [const { Counter::zero() }; CODES],
            limits: [const { Counter::zero() }; LIMITS.len()],
            closed: [const { Counter::zero() }; REASONS.len()],
            handshakes: [const { Counter::zero() }; TLS_VERSIONS.len()],
            handshakes_failed: [const { Counter::zero() }; TLS_FAILURES.len()],
            took: Histogram::default(),
        }
    }
}

impl Cell {
    /// A client has come up against a limit.
    pub(super) fn limit(&self, limit: Limit) {
        self.limits[limit as usize].add(1);
    }

    pub(super) fn add_to(&self, totals: &mut Totals) {
        let add = |sums: &mut [u64], counters: &[Counter]| {
            for (sum, counter) in sums.iter_mut().zip(counters) {
                *sum += counter.read();
            }
        };
        add(&mut totals.messages, &self.messages);
        totals.bytes += self.bytes.read();
        totals.turned_away += self.turned_away.read();
        add(&mut totals.commands, &self.commands);
        add(&mut totals.replies[..], &self.replies);
        add(&mut totals.limits, &self.limits);
        add(&mut totals.closed, &self.closed);
        add(&mut totals.handshakes, &self.handshakes);
        add(&mut totals.handshakes_failed, &self.handshakes_failed);
        totals.took.add(&self.took.read());
    }
}

/// Codes of replies begin with it.
pub(super) const FIRST_CODE: u16 = 200;
/// How many there may be: up to 599.
pub(super) const CODES: usize = 400;
