//! Transactions behind the plain pointers of the border, without following one.
//!
//! The border hands a context to the plugin and gets it back. Here that is the address of a byte that lives as long as the
//! process, and a table says which transaction belongs to it. Texts that are lent live as long, each kept once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use abi_stable::sabi_types::RRef;
use guerrilla_plugin_abi::{HeldTxn, Phase, Status, Txn};

use super::envelope::Envelope;
use super::txn_table;

/// A transaction that can be lent to a plugin.
pub(super) struct Lent {
    anchor: &'static Anchor,
    state: Mutex<State>,
    completed: Condvar,
}

pub(super) struct State {
    pub(super) envelope: Envelope,
    /// The question being asked.
    pub(super) phase: Phase,
    lease: Lease,
}

enum Lease {
    /// May not be held.
    Call,
    /// May be held.
    Holdable,
    /// Is held.
    Held,
    /// Was held and has been completed, perhaps with a fault that was explained.
    Completed(Status, Option<String>),
}

/// Something with an address of its own.
#[repr(C)]
struct Anchor {
    at: (),
    _room: u8,
}

impl Lent {
    pub(super) fn new(envelope: Envelope) -> Arc<Self> {
        let anchor = Box::leak(Box::new(Anchor { at: (), _room: 0 }));
        let state = State { envelope, phase: Phase::CONNECT, lease: Lease::Call };
        let lent = Self { anchor, state: Mutex::new(state), completed: Condvar::new() };
        let lent = Arc::new(lent);
        table().by_address.insert(lent.address(), Arc::clone(&lent));
        lent
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a question.
    pub(super) fn ask(&self, phase: Phase) -> Txn<'static> {
        self.state().phase = phase;
        self.tell(true)
    }

    /// Begins an event.
    pub(super) fn tell(&self, may_be_held: bool) -> Txn<'static> {
        self.state().lease = if may_be_held { Lease::Holdable } else { Lease::Call };
        self.txn()
    }

    /// For reading from outside of a call.
    pub(super) fn reading(&self) -> Txn<'static> {
        self.txn()
    }

    /// The call has returned: its own status, or `None` when the plugin has taken hold, whether or not it is done already.
    /// An explanation that was given after the completion belongs to it.
    pub(super) fn returned(
        &self,
        status: Status,
        why: Option<String>,
    ) -> Option<(Status, Option<String>)> {
        match &mut self.state().lease {
            Lease::Held => None,
            Lease::Completed(_, known) => {
                *known = known.take().or(why);
                None
            }
            Lease::Call | Lease::Holdable => Some((status, why)),
        }
    }

    /// Waits until a held one has been completed, with what explanation; `None` when that never comes.
    pub(super) fn wait(&self) -> Option<(Status, Option<String>)> {
        let held = |state: &mut State| matches!(state.lease, Lease::Held);
        let waited = self.completed.wait_timeout_while(self.state(), PATIENCE, held);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &mut state.lease {
            Lease::Completed(status, why) => Some((*status, why.take())),
            _ => None,
        }
    }

    /// The plugin takes hold.
    pub(super) fn hold(self: &Arc<Self>) -> Option<HeldTxn> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut state = self.state();
        if !matches!(state.lease, Lease::Holdable) {
            return None;
        }
        let token = NEXT.fetch_add(1, Ordering::Relaxed);
        state.lease = Lease::Held;
        drop(state);
        table().by_token.insert(token, Arc::clone(self));
        Some(HeldTxn { token, txn: self.txn() })
    }

    /// No call will come for it any more.
    pub(super) fn forget(&self) {
        table().by_address.remove(&self.address());
    }

    fn txn(&self) -> Txn<'static> {
        Txn { ctx: RRef::new(&self.anchor.at), vt: txn_table::TABLE }
    }

    fn address(&self) -> usize {
        address(RRef::new(&self.anchor.at))
    }
}

/// The transaction of a context.
pub(super) fn find(ctx: RRef<'_, ()>) -> Option<Arc<Lent>> {
    table().by_address.get(&address(ctx)).map(Arc::clone)
}

/// A plugin completes what it holds. Twice is ignored.
pub(super) fn complete(token: u64, status: Status, why: Option<String>) {
    let Some(lent) = table().by_token.remove(&token) else { return };
    lent.state().lease = Lease::Completed(status, why);
    lent.completed.notify_all();
}

/// A text that may be lent for ever.
pub(super) fn keep(text: &str) -> &'static str {
    // The bytes are those of a text.
    std::str::from_utf8(keep_bytes(text.as_bytes())).unwrap_or_default()
}

/// Bytes that may be lent for ever.
pub(super) fn keep_bytes(bytes: &[u8]) -> &'static [u8] {
    static KEPT: Mutex<BTreeSet<&'static [u8]>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(bytes) {
        return known;
    }
    let new: &'static [u8] = bytes.to_vec().leak();
    kept.insert(new);
    new
}

#[derive(Default)]
struct Table {
    by_address: BTreeMap<usize, Arc<Lent>>,
    by_token: BTreeMap<u64, Arc<Lent>>,
}

fn table() -> MutexGuard<'static, Table> {
    static TABLE: Mutex<Table> =
        Mutex::new(Table { by_address: BTreeMap::new(), by_token: BTreeMap::new() });
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn address(ctx: RRef<'_, ()>) -> usize {
    ctx.as_ptr().addr()
}

/// How long a plugin may hold a transaction before a test gives up: longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(60);
