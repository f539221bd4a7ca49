//! How guerrillad's plugins reach databases.
//!
//! It is a crate of its own because two plugins need it and a plugin file exports names that may not be linked twice.
//!
//! `mysql` says what the keys of the configuration stand for, `connect` what every session is told, `trouble` what an error means for the rows in hand.
//!
//! Never: a password in a text that could reach a log.
#![forbid(unsafe_code)]

mod connect;
mod mysql;
mod trouble;

pub use connect::connect;
pub use mysql::{Access, STATEMENTS, mysql};
pub use trouble::Trouble;
