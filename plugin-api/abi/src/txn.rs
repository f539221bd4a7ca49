//! What the host offers for one transaction.

use abi_stable::StableAbi;
use abi_stable::sabi_types::RRef;
use abi_stable::std_types::{ROption, RSlice, RStr};

use crate::numbers::{BytesField, ItemField, List, NumberField, Scope, Status, TextField};

/// Functions of the host on one transaction; the first argument is always [`Txn::ctx`].
///
/// Getters return views (see the crate's section on lifetimes). Setters copy what they are given and
/// answer [`Status::CONTINUE`], [`Status::UNSUPPORTED`] (unknown number, or not settable) or
/// [`Status::BAD_VALUE`].
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = TxnVt_Ref, prefix_fields = TxnVt_Prefix)))]
#[sabi(missing_field(option))]
pub struct TxnVt {
    /// A text.
    pub text: for<'a> extern "C" fn(RRef<'a, ()>, TextField) -> ROption<RStr<'a>>,
    /// A number.
    pub number: for<'a> extern "C" fn(RRef<'a, ()>, NumberField) -> ROption<u64>,
    /// Length of a list.
    pub len: for<'a> extern "C" fn(RRef<'a, ()>, List) -> usize,
    /// A text of a list's item.
    pub item: for<'a> extern "C" fn(RRef<'a, ()>, List, usize, ItemField) -> ROption<RStr<'a>>,
    /// A number of a list's item.
    pub item_number: for<'a> extern "C" fn(RRef<'a, ()>, List, usize, ItemField) -> ROption<u64>,
    /// Bytes.
    pub bytes: for<'a> extern "C" fn(RRef<'a, ()>, BytesField, usize) -> ROption<RSlice<'a, u8>>,
    /// A note by its key.
    pub note: for<'a, 'k> extern "C" fn(RRef<'a, ()>, Scope, RStr<'k>) -> ROption<RSlice<'a, u8>>,
    /// Sets a text.
    pub set_text: for<'a, 'v> extern "C" fn(RRef<'a, ()>, TextField, RStr<'v>) -> Status,
    /// Sets a note; an empty value removes it.
    pub set_note:
        for<'a, 'k, 'v> extern "C" fn(RRef<'a, ()>, Scope, RStr<'k>, RSlice<'v, u8>) -> Status,
    /// Appends to a list.
    pub push: for<'a, 'v> extern "C" fn(RRef<'a, ()>, List, RStr<'v>) -> Status,
    /// Sets the reply that goes with the verdict: code (200 to 599), enhanced status code (`5.7.1`, or empty for
    /// the default of the code), text.
    pub set_reply: for<'a, 'v> extern "C" fn(RRef<'a, ()>, u16, RStr<'v>, RStr<'v>) -> Status,
    /// Sets the verdict and reply of one recipient (LMTP, PRDR; over SMTP by the host's merge rule). Code 0: the
    /// default reply of the verdict.
    pub set_recipient:
        for<'a, 'v> extern "C" fn(RRef<'a, ()>, usize, Status, u16, RStr<'v>, RStr<'v>) -> Status,
    /// Adds a header field in front of the message.
    pub add_header: for<'a, 'v> extern "C" fn(RRef<'a, ()>, RStr<'v>, RStr<'v>) -> Status,
    /// Removes all header fields of that name (any case) from the message as stored; answers how many.
    pub remove_header: for<'a, 'v> extern "C" fn(RRef<'a, ()>, RStr<'v>) -> usize,
    /// Takes hold of the transaction: it stays valid until it is completed with the token returned.
    /// The call must then return [`Status::PENDING`]. Absent: it cannot be held (an event
    /// other than an awaited `SETTLED`, or held already).
    #[sabi(last_prefix_field)]
    pub hold: for<'a> extern "C" fn(RRef<'a, ()>) -> ROption<HeldTxn>,
    /// Stands for what a later version appends: the minor version of the host.
    #[cfg(feature = "fake-1-1")]
    pub appended: for<'a> extern "C" fn(RRef<'a, ()>) -> u64,
}

/// One transaction, lent to a plugin. Two words, passed by value.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Txn<'a> {
    /// The host's transaction; only the host's functions know what is behind it.
    pub ctx: RRef<'a, ()>,
    /// The host's functions on it.
    pub vt: TxnVt_Ref,
}

/// A transaction that outlives the call it was lent for. Whoever has it must complete it, once.
#[repr(C)]
#[derive(StableAbi)]
pub struct HeldTxn {
    /// What to complete it with.
    pub token: u64,
    /// The transaction; not to be touched after [`HostVt::complete`](crate::HostVt::complete).
    pub txn: Txn<'static>,
}
