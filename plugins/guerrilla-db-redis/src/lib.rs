//! GuerrillaRedisDB: the message goes to Redis, for a time, and a row for each recipient to MySQL or MariaDB.
//!
//! go-guerrilla's processor of that name was an example: it kept the first recipient only, said 250 before the row was written,
//! wrote rows twice when a first attempt had failed, and lost those in hand at the end. The columns and values
//! are the same here; what is stored is acknowledged when COMMIT has returned, and not before.
//!
//! A reader of the code may go from `config` over `processor` (what the daemon calls) and `record` (what is stored of a message) to
//! `store` (Redis first, then the rows; attempts and deadlines) and `table` (the transaction).
//!
//! Never: a success before COMMIT; a row twice; a secret in the log.
//!
//! Trust: header fields and addresses are strangers' bytes. They reach the database as bound values only.
#![forbid(unsafe_code)]

mod config;
mod database;
mod processor;
mod record;
mod store;
mod table;
mod trace;

pub use config::Config;
pub use processor::GuerrillaRedisDb;

guerrilla_plugin_api::export_plugin!(guerrilla_plugin_api::Batched<GuerrillaRedisDb>);
