//! What transactions go by, and which of it is in force.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, Guard};

use crate::config::AllowedHosts;
use crate::pipeline::Pipeline;

/// What a transaction goes by, from MAIL to its end. A reload swaps it as a whole.
pub(crate) struct Policy {
    /// The hosts whose mail is taken (`allowed_hosts`).
    pub(crate) allowed_hosts: AllowedHosts,
    /// The chains.
    pub(crate) pipeline: Arc<Pipeline>,
}

/// A policy as the transactions of one thread share it. All threads together hold it as often as there are threads: a
/// count that each transaction of each thread moved would travel between the cores with each mail.
pub(super) struct InForce(Arc<Policy>);

impl InForce {
    /// The one of this moment. It is let go with the last transaction of this thread that goes by it: chains that were
    /// replaced are not to wait for the next mail.
    pub(super) fn now(policy: &ArcSwap<Policy>) -> Arc<Self> {
        thread_local! {
            static LAST: RefCell<Weak<InForce>> = const { RefCell::new(Weak::new()) };
        }
        let current = policy.load();
        LAST.with_borrow_mut(|last| {
            if let Some(held) = last.upgrade().filter(|held| Arc::ptr_eq(&held.0, &current)) {
                return held;
            }
            let held = Arc::new(Self(Guard::into_inner(current)));
            *last = Arc::downgrade(&held);
            held
        })
    }
}

impl Deref for InForce {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.0
    }
}
