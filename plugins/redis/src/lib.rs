//! Redis: stores each message under its hash, for a time, and as many with one round trip as are waiting.
//!
//! The key is the first hash (`Hasher`), which also becomes the queued id; without a hash it is the queued id. The value is
//! what `Compressor` has left, or else the message as it is. One key for a message, whoever gets it, as in go-guerrilla.
//!
//! A reader of the code may go from `config` (what operators write) over `processor` (what the daemon asks) to `store` (attempts,
//! deadlines, verdicts) and `commands` (what is sent).
//!
//! Never: a success before Redis has answered for the key; a 5xx for trouble of Redis; a password in the log.
//!
//! Limits: a round trip carries up to 8 MiB of messages or one message, which is in memory twice while it is sent.
#![forbid(unsafe_code)]

mod commands;
mod config;
mod processor;
mod store;
mod waiting;

pub use config::Config;
pub use processor::Redis;

guerrilla_plugin_api::export_plugin!(guerrilla_plugin_api::Batched<Redis>);
