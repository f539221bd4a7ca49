//! What the host offers for a plugin's whole life.

use abi_stable::StableAbi;
use abi_stable::std_types::RStr;

use crate::numbers::{Level, Status};
use crate::txn::Txn;

/// Functions of the host for one instance; the first argument is always [`Host::token`]. All may be called
/// from any thread between `create` and the end of `stop`; afterwards they do nothing.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostVt_Ref, prefix_fields = HostVt_Prefix)))]
#[sabi(missing_field(option))]
pub struct HostVt {
    /// Whether a line of this level would be written: ask before formatting.
    pub log_enabled: extern "C" fn(u64, Level) -> bool,
    /// Writes a line: level, target (a module path), text.
    pub log: for<'a> extern "C" fn(u64, Level, RStr<'a>, RStr<'a>),
    /// Writes a line about a transaction: instance, transaction, level, target, text. The host names the session in it. To
    /// be called where the transaction may be read: during the call it was lent for, or while it is held.
    pub log_about: for<'t, 'a> extern "C" fn(u64, Txn<'t>, Level, RStr<'a>, RStr<'a>),
    /// Adds to a counter of the instance's own.
    pub counter_add: for<'a> extern "C" fn(u64, RStr<'a>, u64),
    /// Sets a gauge of the instance's own.
    pub gauge_set: for<'a> extern "C" fn(u64, RStr<'a>, f64),
    /// Records a value (seconds, bytes) in a histogram of the instance's own.
    pub histogram: for<'a> extern "C" fn(u64, RStr<'a>, f64),
    /// Milliseconds of Unix time.
    pub now_ms: extern "C" fn(u64) -> u64,
    /// Says in one line why there will be a fault: the call that is running on this thread will answer with one, or this
    /// thread is about to complete a held transaction with one.
    pub explain: for<'a> extern "C" fn(u64, RStr<'a>),
    /// Completes a held transaction: instance, token of [`TxnVt::hold`](crate::TxnVt::hold), verdict. Anything but a
    /// verdict counts as a fault. The transaction must not be touched afterwards.
    #[sabi(last_prefix_field)]
    pub complete: extern "C" fn(u64, u64, Status),
    /// Stands for what a later version appends: the minor version of the host.
    #[cfg(feature = "fake-1-1")]
    pub appended: extern "C" fn(u64) -> u64,
}

/// The host as one instance sees it. The token is looked up, never followed: a thread of a retired instance
/// that still calls finds nobody there.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Host {
    /// Number of the instance.
    pub token: u64,
    /// The host's functions.
    pub vt: HostVt_Ref,
}
