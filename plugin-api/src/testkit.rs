//! Runs a processor in a test, without a daemon and without a `.so`.
//!
//! A [`Harness`] makes and starts one instance. [`Mail`] and [`Session`] say what a client does, and what comes back tells
//! everything that the daemon and the client would see: verdict and reply, verdicts of single recipients, the
//! message as it would be stored, notes, log lines and figures.
//!
//! ```
//! use guerrilla_plugin_api::testkit::{Harness, Mail};
//! use guerrilla_plugin_api::{Host, NoConfig, Phase, Plugin, Reply, Transaction, Verdict};
//!
//! struct NoLotteries {
//!     host: Host,
//! }
//!
//! impl Plugin for NoLotteries {
//!     const NAME: &'static str = "NoLotteries";
//!     const PHASES: &'static [Phase] = &[Phase::Save];
//!     type Config = NoConfig;
//!
//!     fn create(host: Host, _config: NoConfig) -> Result<Self, String> {
//!         Ok(Self { host })
//!     }
//!
//!     fn save(&self, txn: Transaction<'_>) -> Verdict {
//!         if txn.header("Subject").is_some_and(|subject| subject == b"You have won") {
//!             self.host.count("lotteries", 1);
//!             return Verdict::reject(Reply::new(550, "5.7.1", "I have not"));
//!         }
//!         Verdict::CONTINUE
//!     }
//! }
//!
//! # fn main() -> Result<(), String> {
//! let harness = Harness::<NoLotteries>::new("{}")?;
//!
//! let mail = Mail::new().from("a@example.com").to("b@example.net").subject("You have won");
//! let delivery = harness.deliver(mail);
//! assert_eq!((delivery.code(), delivery.text()), (Some(550), Some("I have not")));
//! assert_eq!(harness.counter("lotteries"), 1);
//!
//! assert!(harness.deliver(Mail::new().subject("Lunch?")).is_accepted());
//! # Ok(())
//! # }
//! ```
//!
//! [`Harness::deliver`] plays the whole part of the host. To look in between, or to play what other stages and other clients
//! do, take the steps one by one: [`Harness::connect`], [`Connection::begin`], [`InTransit::ask`], [`InTransit::settle`].
//!
//! Everything happens on the calling thread, save what the plugin itself does on its own threads. A panic in
//! a hook is caught as in the daemon: look for [`Kind::Fault`].
//!
//! With the feature `tracing` the first harness of a process installs the bridge to its log, unless the test has installed a
//! subscriber of its own before.
//!
//! With the feature `built`, `Harness::of_file` takes the instance from the built `.so`, by the border, as the daemon does: for
//! a last test of what is shipped.
//!
//! # Limits
//!
//! The kit keeps what it lends to the plugin until the test's process ends, so it is for tests, not for measuring. It
//! checks what plugins give as the daemon does in kind, though not in every detail; `guerrillad plugins verify` loads the built
//! file with the daemon's own code.

mod answer;
#[cfg(feature = "built")]
#[allow(unsafe_code)] // dlopen: each block states why it is sound
mod built;
mod connection;
mod envelope;
mod harness;
mod host_table;
mod lent;
mod mail;
mod readme;
#[cfg(feature = "schemars")]
mod schema;
mod transit;
mod txn_table;

pub use answer::{Answer, Kind};
pub use connection::{Connection, Delivery};
pub use harness::Harness;
pub use host_table::LogLine;
pub use mail::{Mail, Session};
pub use readme::{check_keys_of_readme, example_of_readme};
#[cfg(feature = "schemars")]
pub use schema::derived_schema;
pub use transit::InTransit;

#[cfg(test)]
mod tests;
