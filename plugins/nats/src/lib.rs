//! NATS JetStream: each message is published once and acknowledged when the stream has it.
//!
//! The way out for those who outgrow one machine: any number of daemons publish to one cluster, and whatever files the mail
//! consumes it from there. `examples/cluster` of the project is such a set-up.
//!
//! A reader of the code may go from `config` (what operators write) over `processor` (what the daemon asks) and `outgoing` (what is
//! published) to `publishing` (attempts, deadlines), `link` (the connection and how it comes and goes), `objects` (large bodies)
//! and `trouble` (what an error means for the mail in hand).
//!
//! Never: a success before the stream has said that it has the message; a 5xx for trouble of the cluster; a secret in the log.
//!
//! Limits: a message below `nats_object_above` is in memory a second time while it is under way, a larger one 128 KiB at a time.
#![forbid(unsafe_code)]

mod config;
mod link;
mod objects;
mod outgoing;
mod processor;
mod publishing;
mod trouble;

pub use config::Config;
pub use processor::Nats;

guerrilla_plugin_api::export_plugin!(guerrilla_plugin_api::Async<Nats>);
