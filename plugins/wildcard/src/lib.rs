//! Wildcard: takes mail for hosts that match a pattern, and refuses the recipient otherwise.
//!
//! The successor of the `wildcard` processor that circulates for go-guerrilla. That one took blanks round a pattern for part of
//! it, minded case, looked at all recipients again at each RCPT, and let a malformed pattern refuse everybody in
//! an order that changed with every start.
//!
//! Trust: the host of a recipient is the client's text. It is compared, never interpreted.
//!
//! Limits: a host has at most 255 octets (RFC 5321 section 4.5.3.1.2), so a comparison takes microseconds; it runs on the
//! connection's own thread.
#![forbid(unsafe_code)]

mod config;
mod host_list;
mod pattern;
mod processor;

pub use config::Config;
pub use processor::Wildcard;

guerrilla_plugin_api::export_plugin!(Wildcard);
