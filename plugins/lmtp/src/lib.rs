//! LMTP: delivers messages to a local store (Dovecot, Cyrus, ...), which answers for each recipient.
//!
//! A reader of the code may go from `config` (what operators write) over `processor` (what the daemon asks and the client hears),
//! `envelope` and `message` (what goes over) to `deliveries` (attempts and deadlines), `standing` (whether an attempt is worth it),
//! `remembered` (who has it already), `tls`, `exchange` (one dialogue on one connection) and the protocol, which knows no sockets: `dialogue` and `reply`.
//!
//! Never: a success that the store has not said for this very recipient; a 5xx for trouble with the connection; a word in the clear that the
//! operator wants encrypted.
//!
//! Trust: the store's answers are passed on to clients, as those of any server are.
//!
//! Standards: RFC 2033 (LMTP), RFC 5321, RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8),
//! RFC 3207 (STARTTLS).
//!
//! Limits: no login but a client certificate; no BDAT, so no BINARYMIME.
#![forbid(unsafe_code)]

mod config;
mod deliveries;
mod dialogue;
mod envelope;
mod exchange;
mod message;
mod processor;
mod remembered;
mod reply;
mod standing;
mod tls;

pub use config::Config;
pub use processor::Lmtp;

guerrilla_plugin_api::export_plugin!(guerrilla_plugin_api::Async<Lmtp>);
