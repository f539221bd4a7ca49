//! The host's side of the plugin border: all of its `unsafe`.
//!
//! - [`open`]: from a file to its checked root (`dlopen`, layouts).
//! - [`txn`]: the functions a plugin reads and changes a transaction with.
//! - [`host`]: the functions it logs, counts and completes with.
//! - [`crash`]: the last words of a process that dies in a plugin.
//! - [`instance`]: calling a plugin, and getting back what it has taken hold of.
//! - [`answers`]: the way of what it gives back to the thread that waits.
//!
//! # Safety
//!
//! One idea carries all of it: a [`Transaction`](crate::mail::Transaction) has one owner. To call a plugin its box is turned into a raw pointer,
//! which is what the plugin gets; only when the call has returned and the plugin does not hold it,
//! or when a held one has been completed, is it turned back into a box. In between the host touches nothing
//! behind the pointer but through the functions that the plugin calls, and a plugin uses one
//! transaction on one thread at a time (the SDK's types see to it; the border demands it).

mod answers;
mod crash;
pub(crate) mod host;
mod instance;
mod open;
mod txn;

pub(crate) use answers::bring_answers;
pub use crash::{attribute_crashes, end_is_expected, record_crashes};
pub(super) use host::loading;
pub(crate) use instance::{Called, Constructor, FileFacts, Instance, Origin, outcome};
pub(super) use open::open_root;
