//! The border between guerrillad and its plugins, version 1.
//!
//! Plugin authors do not use this crate: they use `guerrilla-plugin-api`, which wraps it. It holds
//! types and no behaviour, so that there is nothing in it that could need fixing once binaries
//! built against it are in the world.
//!
//! # The promise
//!
//! A plugin built with API 1.x loads in every host 1.y. What keeps it:
//!
//! - **Nothing here changes in place.** A released type is never altered or reordered. A struct of
//!   functions grows only after its `last_prefix_field`; a plain struct never grows.
//! - **Numbers instead of enums.** [`Status`], [`Phase`], [`Event`], [`TextField`] and their kin are open sets: a
//!   number that one side does not know is data with a stated meaning ("absent", "unsupported", "defer"),
//!   never undefined behaviour. Most growth needs no new function at all, only a new number.
//! - **No ownership crosses.** Text and bytes go over as borrowed views; whoever wants to keep
//!   them copies. Each side frees only what it allocated.
//! - **Both directions are checked at load** by the layouts that `abi_stable` records, so an
//!   older plugin in a newer host is as welcome as the reverse.
//!
//! # Ownership and lifetimes
//!
//! - A [`Txn`] is lent for one call. What its getters return is valid until the next setter on the
//!   same transaction, at the longest until the call returns.
//! - A transaction that was *held* ([`TxnVt::hold`]) stays valid, on any one thread at a time, until
//!   [`HostVt::complete`] is called with its token; not one moment longer.
//! - A [`Host`] is a number and a table. It is valid from `create` until `stop` returns; afterwards the host ignores it.
//!
//! # Trust
//!
//! A plugin runs inside the daemon with all its rights: layouts protect against mistakes, not against malice.
//!
//! # No unwinding
//!
//! Every function on this border is `extern "C"`: a panic that reaches it ends the process. The SDK guards
//! each entry of a plugin; the host guards each of its own functions.

// `#[sabi_trait]` and prefix types generate items that these two lints dislike; the generated names are public API.
#![allow(non_camel_case_types, non_local_definitions)]

mod host;
mod instance;
pub mod note;
mod numbers;
mod txn;

pub use host::{Host, HostVt, HostVt_Ref};
pub use instance::{Instance, Instance_TO, InstanceBox, Root, Root_Ref};
pub use numbers::{
    Blocking, BytesField, Event, ItemField, Level, List, NumberField, Phase, Scope, Status,
    TextField,
};
pub use txn::{HeldTxn, Txn, TxnVt, TxnVt_Ref};

/// Major version of this border. Two majors never meet: the loader looks for one it knows.
pub const API_MAJOR: u32 = 1;

/// Minor version of this border: what has been appended so far.
pub const API_MINOR: u32 = if cfg!(feature = "fake-1-1") { 1 } else { 0 };
