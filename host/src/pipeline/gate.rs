//! Which came first, the deadline or the commit; and where a chain was when its time was up.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Shared by the task that runs a chain and the connection that waits for it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: AtomicU8,
    /// The stage that is being asked.
    at: AtomicUsize,
}

impl Gate {
    const OPEN: u8 = 0;
    const COMMITTING: u8 = 1;
    const ABANDONED: u8 = 2;
    const GIVEN_UP: u8 = 3;

    /// A stage is about to be asked.
    pub(super) fn reached(&self, stage: usize) {
        self.at.store(stage, Ordering::Relaxed);
    }

    /// The stage that was asked last.
    pub(super) fn at(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }

    /// The deadline has passed; `false` when it is too late for that.
    pub(super) fn abandon(&self) -> bool {
        self.pass(Self::ABANDONED)
    }

    /// The commit begins; `false` when the client has been told otherwise.
    pub(super) fn commit(&self) -> bool {
        self.pass(Self::COMMITTING)
    }

    /// The commit takes so long that the client is told otherwise.
    pub(super) fn give_up(&self) {
        self.state.store(Self::GIVEN_UP, Ordering::Release);
    }

    /// Whether nobody has waited for the commit to its end.
    pub(super) fn is_given_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == Self::GIVEN_UP
    }

    /// Whether nobody waits any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.state.load(Ordering::Acquire) == Self::ABANDONED
    }

    fn pass(&self, to: u8) -> bool {
        self.state.compare_exchange(Self::OPEN, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_of_them_is_first() {
        let gate = Gate::default();
        assert!(gate.commit() && !gate.abandon() && !gate.is_abandoned());
        let gate = Gate::default();
        assert!(gate.abandon() && !gate.commit() && gate.is_abandoned());
    }
}
