//! Write processors for guerrillad.
//!
//! guerrillad receives mail by SMTP and hands each message to a chain of processors. A processor is a
//! shared library (`.so`) that an operator drops into a directory; this crate is all you need to write one.
//!
//! # What a plugin is
//!
//! A file (a *plugin*) offers one or more *processors*, each under a name. The operator writes names into chains, one chain
//! for each *phase* of a client's visit, and sets what they need beside them. For each processor that a chain names the
//! daemon makes one *instance*, which serves all clients until the daemon ends or the file is replaced.
//!
//! | phase, hook | the client has | chain | known by then |
//! |---|---|---|---|
//! | [`connect`](Plugin::connect) | connected | `connect_process` | its address |
//! | [`helo`](Plugin::helo) | introduced itself | `helo_process` | its name, TLS |
//! | [`mail`](Plugin::mail) | named the sender | `mail_process` | reverse-path, parameters |
//! | [`rcpt`](Plugin::rcpt) | named a recipient | `validate_process` | the recipients so far |
//! | [`save`](Plugin::save) | sent the message | `save_process` | everything |
//!
//! The stages of a chain are asked in order, each answers with a [`Verdict`], and the first that is not "continue" ends the
//! question. Beside the questions there are *events* that have no say: [`opened`](Plugin::opened),
//! [`closed`](Plugin::closed), and [`settled`](Plugin::settled), which tells the stages of the save chain how it has ended.
//!
//! An instance lives through [`create`](Plugin::create) (check the settings, touch nothing), [`start`](Plugin::start)
//! (open what is needed), hooks, [`drain`](Plugin::drain) (finish), [`stop`](Plugin::stop) (end threads), drop.
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
//! # Configuration
//!
//! Settings are flat keys of `backend_config`, shared by all processors, so begin the names of yours with a word of your own. A
//! processor gets those that its `CONFIG_SCHEMA` names, as [`Plugin::Config`]. The daemon reads the schema from the file
//! without running it: it names misspelt keys, and refuses values that do not fit before any of your code runs. What a schema cannot
//! say is checked in [`Plugin::create`]. An operator who needs two instances with different settings writes sections:
//!
//! ```json
//! "save_process": "HeadersParser|SizeCap|Archive",
//! "processors": { "Archive": { "use": "MailDir", "maildir_path": "/srv/archive" } }
//! ```
//!
//! # Three kinds
//!
//! | | implement | export | its hooks |
//! |---|---|---|---|
//! | plain | [`Plugin`] | `export_plugin!(Filter)` | answer when they return, or later through [`Transaction::hold`] |
//! | storing | [`BatchPlugin`] | `export_plugin!(Batched<Store>)` | save (and commit) all messages that wait in one go |
//! | asking | `AsyncPlugin` (feature `tokio`) | `export_plugin!(Async<Lookup>)` | are `async` and hold no thread while they wait |
//!
//! One file may offer several processors, of any kind: `export_plugin!(Filter, Batched<Store>)`.
//!
//! # Testing
//!
//! [`testkit`] runs a processor in an ordinary `#[test]`, without a daemon and without building a `.so`:
//!
//! ```
//! # use guerrilla_plugin_api::{Host, NoConfig, Phase, Plugin, Transaction, Verdict};
//! # struct SizeCap;
//! # impl Plugin for SizeCap {
//! #     const NAME: &'static str = "SizeCap";
//! #     const PHASES: &'static [Phase] = &[Phase::Save];
//! #     const CONFIG_SCHEMA: &'static str = r#"{"properties": {"size_cap": {}}}"#;
//! #     type Config = NoConfig;
//! #     fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
//! #     fn save(&self, txn: Transaction<'_>) -> Verdict {
//! #         if txn.body().len() > 10 { Verdict::REJECT } else { Verdict::CONTINUE }
//! #     }
//! # }
//! use guerrilla_plugin_api::testkit::{Harness, Mail};
//!
//! # fn main() -> Result<(), String> {
//! let size_cap = Harness::<SizeCap>::new(r#"{ "size_cap": 10 }"#)?;
//! assert!(size_cap.deliver(Mail::new().body("short")).is_accepted());
//! assert!(size_cap.deliver(Mail::new().body("not so short")).is_rejected());
//! # Ok(())
//! # }
//! ```
//!
//! # Trust
//!
//! A plugin runs inside the daemon with all of the daemon's rights. A panic is caught here and becomes a
//! temporary failure for the client; a crash (a bad pointer in code you call) ends the daemon. Build with `panic = "unwind"`,
//! which is Cargo's default: a file built with `panic = "abort"` is refused.
//!
//! # What a verdict promises
//!
//! The client is told "250" when every stage of the save chain has said [`Verdict::CONTINUE`] or one has said
//! [`Verdict::ACCEPT`]; from then on the message is the server's responsibility. A stage that keeps messages says so only when
//! they are on stable storage. Where in doubt, say [`Verdict::DEFER`]: the client tries again, and nothing is lost.
//! A stage behind yours may still refuse the message: what must not be kept then is prepared in `save` and committed in
//! [`Plugin::settled`], or many at once in [`BatchPlugin::settled_batch`].
//!
//! # Threads
//!
//! Hooks are called from several threads at once. With [`Blocking::Never`] they are called on the thread that
//! serves the connection and must not wait for anything; the other classes are called on pools. A hook that
//! wants to answer later takes [`Transaction::hold`] and completes the [`Held`] from a thread of its own
//! ([`Host::spawn`]):
//!
//! ```
//! # use guerrilla_plugin_api::*;
//! # struct Example {
//! #     host: Host,
//! # }
//! # impl Plugin for Example {
//! #     const NAME: &'static str = "Example";
//! #     const PHASES: &'static [Phase] = &[Phase::Rcpt];
//! #     type Config = NoConfig;
//! #     fn create(host: Host, _: NoConfig) -> Result<Self, String> { Ok(Self { host }) }
//! fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
//!     let Some(mut held) = txn.hold() else { return Verdict::DEFER };
//!     let asked = self.host.spawn("ask", move || {
//!         let verdict = ask_somebody(&held.transaction());
//!         held.complete(verdict);
//!     });
//!     if let Err(error) = asked {
//!         // The closure was dropped, and the `Held` with it: that has deferred the message.
//!         self.host.error(format_args!("no thread: {error}"));
//!     }
//!     Verdict::PENDING
//! }
//! # }
//! # fn ask_somebody(_: &Transaction<'_>) -> Verdict { Verdict::REJECT }
//! # fn main() -> Result<(), String> {
//! # let example = testkit::Harness::<Example>::new("{}")?;
//! # assert!(example.deliver(testkit::Mail::new()).is_rejected());
//! # Ok(())
//! # }
//! ```
//!
//! # Logging
//!
//! The daemon's async runtime, its `tracing` subscriber and its thread-locals do not reach into a `.so`: a library has its own
//! copies of them. Log through [`Host`], or enable the feature `tracing` and use the macros of that crate: what you and
//! your libraries write goes to the daemon's log, at the daemon's level. Panics go there too, also those
//! of threads that you start yourself. Lines written in a hook are marked with the session. A thread of your own that holds
//! a transaction writes them with [`Held::log`] or [`Transaction::log`], which marks them too.
//!
//! # Lifetimes
//!
//! A [`Transaction`] is lent for one call, and what its getters return borrows it. Setters need it mutably,
//! so the compiler keeps views and changes apart. Copy what must outlive a change:
//!
//! ```compile_fail,E0502
//! # use guerrilla_plugin_api::{Transaction, Verdict};
//! fn save(mut txn: Transaction<'_>) -> Verdict {
//!     let subject = txn.header("Subject").unwrap_or_default(); // a view
//!     txn.remove_header("Subject"); // moves what it looks at
//!     if subject.is_empty() { Verdict::REJECT } else { Verdict::CONTINUE }
//! }
//! ```
//!
//! ```
//! # use guerrilla_plugin_api::{Transaction, Verdict};
//! fn save(mut txn: Transaction<'_>) -> Verdict {
//!     let subject = txn.header("Subject").unwrap_or_default().to_vec(); // a copy
//!     txn.remove_header("Subject");
//!     if subject.is_empty() { Verdict::REJECT } else { Verdict::CONTINUE }
//! }
//! ```
//!
//! Neither the transaction nor a view can be kept beyond the call:
//!
//! ```compile_fail
//! # use guerrilla_plugin_api::{Transaction, Verdict};
//! fn save(txn: Transaction<'_>, seen: &mut Vec<&'static str>) -> Verdict {
//!     seen.push(txn.queued_id());
//!     Verdict::CONTINUE
//! }
//! ```
//!
//! nor go to another thread, save held:
//!
//! ```compile_fail,E0521
//! # use guerrilla_plugin_api::{Host, Transaction, Verdict};
//! fn save(host: Host, txn: Transaction<'_>) -> Verdict {
//!     let _ = host.spawn("later", move || txn.body().len());
//!     Verdict::CONTINUE
//! }
//! ```
//!
//! And what is held is answered once:
//!
//! ```compile_fail,E0382
//! # use guerrilla_plugin_api::{Held, Verdict};
//! fn answer(held: Held) {
//!     held.complete(Verdict::CONTINUE);
//!     held.complete(Verdict::REJECT);
//! }
//! ```
//!
//! # Features
//!
//! - `headers`: decoded texts and addresses of header fields, in any charset.
//! - `schemars`: a test that `CONFIG_SCHEMA` fits the type of the configuration (`testkit::derived_schema`).
//! - `tokio`: `AsyncPlugin` and its runtime.
//! - `tracing`: what is written with `tracing` goes to the daemon's log.
//!
//! # Compatibility
//!
//! A plugin built with version 1.x of this crate loads in every host that speaks API 1.y. What a host does not know
//! yet is absent (`None`) or [`Refused::Unsupported`].

mod batch;
mod current;
#[cfg(feature = "headers")]
mod decoded;
mod export;
mod held;
mod host;
mod manifest;
mod panics;
mod plugin;
mod recipient;
mod refused;
mod secret;
#[cfg(feature = "tokio")]
mod tasks;
pub mod testkit;
#[cfg(feature = "tracing")]
mod tracing_bridge;
mod transaction;
mod verdict;
mod vocabulary;

pub use batch::{Backlog, Batch, BatchPlugin, Batched};
#[cfg(feature = "headers")]
pub use decoded::HeaderAddress;
pub use held::Held;
pub use host::{Host, Level};
pub use plugin::{NoConfig, Plugin};
pub use recipient::Recipient;
pub use refused::Refused;
pub use secret::Secret;
#[cfg(feature = "tokio")]
pub use tasks::{Async, AsyncPlugin};
#[cfg(feature = "tracing")]
pub use tracing_bridge::HostLayer;
pub use transaction::Transaction;
pub use verdict::{Reply, Verdict};
pub use vocabulary::{Blocking, Event, Extension, Phase, Scope};

/// What the export macro and hosts with built-in processors need; no part of the author's API.
#[doc(hidden)]
pub mod __border {
    pub use abi_stable::library::{
        __call_root_module_loader as call_root, CheckTypeLayout, LibHeader, RootModuleResult,
    };
    pub use abi_stable::std_types::{ROption, RStr};
    pub use guerrilla_plugin_abi::note::Note;
    pub use guerrilla_plugin_abi::{Host, InstanceBox, Root_Ref, Status};

    pub use crate::export::{Create, create, create_by, create_named, root};
    pub use crate::manifest::{FileInfo, ProcessorInfo};
    pub use crate::panics::install_hook;
}
