//! Webhook: posts each message to an HTTP endpoint, which says by its status what becomes of it.
//!
//! A reader of the code may go from `config` (what operators write) over `processor` (what the daemon asks and the client hears),
//! `payload` and `signature` (what is posted) to `posting` (attempts, deadlines) and `replies` (what a status means).
//!
//! Never: a success without a 2xx; a 5xx for a status that does not speak of the message, unless the operator wants it; a
//! redirect that is followed (what is signed for one endpoint is not for another); a secret in the log.
//!
//! Standards: RFC 9110 section 15 (status), Standard Webhooks 1.0 (id, time and signature in the header).
//!
//! Limits: a message is in memory a second time while it is under way, as JSON one and a third times; of an answer 16 KiB are read.
#![forbid(unsafe_code)]

mod config;
mod payload;
mod posting;
mod processor;
mod replies;
mod signature;

pub use config::Config;
pub use processor::Webhook;

guerrilla_plugin_api::export_plugin!(guerrilla_plugin_api::Async<Webhook>);
