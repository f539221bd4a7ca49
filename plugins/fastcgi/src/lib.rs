//! FastCGI: scripts behind PHP-FPM (or any FastCGI responder) say who receives mail and store it, as in go-guerrilla.
//!
//! A reader of the code may go from `config` (what operators write) over `processor` (what the daemon asks and the client hears),
//! `request` and `form` (what a script is given) and `answer` (what it may say) to `calls` (deadlines, retries), `connections`
//! (the pool), `exchange` (one request on one connection) and `record` (the protocol).
//!
//! The protocol is our own and not the crate fastcgi-client's (0.12), which sends a whole request before it reads (a script that
//! writes much before it has read all stands still then, and so do we), holds whatever a script prints in memory, writes parameters
//! to the debug log, and does not tell a connection that was closed before the answer from one that broke within.
//!
//! Never: a success that the script has not printed; a 5xx for trouble of the service; a parameter's value in the log.
//!
//! Trust: what scripts print is as harmless to us as what strangers send.
//!
//! Standards: FastCGI 1.0; RFC 3875 sections 4.1 and 6; RFC 7578 for multipart forms.
//!
//! Limits: a request needs some 64 KiB, however long the message is; of what a script prints 64 KiB are kept.
#![forbid(unsafe_code)]

mod answer;
mod calls;
mod config;
mod connections;
mod exchange;
mod form;
mod processor;
mod record;
mod request;

pub use config::Config;
pub use processor::FastCgi;

guerrilla_plugin_api::export_plugin!(guerrilla_plugin_api::Async<FastCgi>);
