//! Write processors for guerrillad.
//!
//! guerrillad receives mail by SMTP and hands each message to a chain of processors. A processor is a
//! shared library (`.so`) that an operator drops into a directory; this crate is all you need to write one.
//!
//! # The first plugin
//!
//! `Cargo.toml`:
//!
//! ```toml
//! [package]
//! name = "size-cap"
//! version = "0.1.0"
//! edition = "2024"
//!
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! guerrilla-plugin-api = "1"
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! `src/lib.rs`:
//!
//! ```
//! use guerrilla_plugin_api::{
//!     Blocking, Host, Phase, Plugin, Reply, Transaction, Verdict, export_plugin,
//! };
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     size_cap: usize,
//! }
//!
//! struct SizeCap {
//!     limit: usize,
//! }
//!
//! impl Plugin for SizeCap {
//!     const NAME: &'static str = "SizeCap";
//!     const PHASES: &'static [Phase] = &[Phase::Save];
//!     const BLOCKING: Blocking = Blocking::Never;
//!     const CONFIG_SCHEMA: &'static str = r#"{
//!         "type": "object",
//!         "required": ["size_cap"],
//!         "properties": { "size_cap": { "type": "integer", "minimum": 1 } }
//!     }"#;
//!     type Config = Config;
//!
//!     fn create(_host: Host, config: Config) -> Result<Self, String> {
//!         Ok(Self { limit: config.size_cap })
//!     }
//!
//!     fn save(&self, txn: Transaction<'_>) -> Verdict {
//!         if txn.body().len() > self.limit {
//!             return Verdict::reject(Reply::new(552, "5.3.4", "Too big for this house"));
//!         }
//!         Verdict::CONTINUE
//!     }
//! }
//!
//! export_plugin!(SizeCap);
//! # fn main() {}
//! ```
//!
//! `cargo build --release`, copy `target/release/libsize_cap.so` into the plugins directory, name it in a chain
//! (`"save_process": "HeadersParser|SizeCap|MailDir"`) and set `"size_cap"` beside it.
//!
//! # Trust
//!
//! A plugin runs inside the daemon with all of the daemon's rights. A panic is caught here and becomes a
//! temporary failure for the client; a crash (a bad pointer in code you call) ends the daemon.
//!
//! # Threads
//!
//! Hooks are called from several threads at once. With [`Blocking::Never`] they are called on the thread that
//! serves the connection and must not wait for anything; the other classes are called on pools. A hook that
//! wants to answer later takes [`Transaction::hold`] and completes the [`Held`] from a thread of its own.
//! The host's async runtime, its `tracing` subscriber and its thread-locals do not reach into a `.so`: log through
//! [`Host`], and start a runtime of your own in [`Plugin::start`] if you need one.
//!
//! # Lifetimes
//!
//! A [`Transaction`] is lent for one call, and what its getters return borrows it. Setters need it mutably,
//! so the compiler keeps views and changes apart.
//!
//! # Compatibility
//!
//! A plugin built with version 1.x of this crate loads in every host that speaks API 1.y. What a host does not know
//! yet is absent (`None`) or [`Refused::Unsupported`].

mod export;
mod held;
mod host;
mod manifest;
mod plugin;
mod recipient;
mod transaction;
mod verdict;

pub use held::Held;
pub use host::{Host, Level};
pub use plugin::{Blocking, Event, Extension, NoConfig, Phase, Plugin};
pub use recipient::Recipient;
pub use transaction::{Refused, Scope, Transaction};
pub use verdict::{Reply, Verdict};

/// What the export macro and hosts with built-in processors need; no part of the author's API.
#[doc(hidden)]
pub mod __border {
    pub use abi_stable::library::{
        __call_root_module_loader as call_root, CheckTypeLayout, LibHeader, RootModuleResult,
    };
    pub use abi_stable::std_types::{ROption, RStr};
    pub use guerrilla_plugin_abi::note::Note;
    pub use guerrilla_plugin_abi::{Host, InstanceBox, Root_Ref, Status};

    pub use crate::export::{Create, create, create_named, root};
    pub use crate::manifest::{FileInfo, ProcessorInfo};
}
