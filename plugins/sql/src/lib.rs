//! `sql`: stores each message in MySQL, MariaDB, PostgreSQL or SQLite, a row for each recipient.
//!
//! Messages that wait are written together: one transaction, multi-row INSERTs. The client hears 250 after COMMIT
//! has returned, and not before.
//!
//! A reader of the code may go from `processor` (what the daemon calls) over `store` (attempts, back-off, which message
//! is to blame) to `reach` (who is away, and what is done first) and `session` (one connection to one kind of database). `record` says what stands in a row, `statement`
//! how the INSERT is written. What an error of a database means stands in the crate beside, `client`.
//!
//! Never: no success before COMMIT; no secret in a log line or an error.
//!
//! Trust: header fields and addresses are strangers' bytes. They reach the database as bound values only; what becomes SQL
//! text is the operator's.
#![forbid(unsafe_code)]

mod config;
mod content;
mod driver;
mod failed;
mod lanes;
mod processor;
mod reach;
mod record;
mod schema;
mod session;
mod statement;
mod store;
mod target;
mod waiting;

pub use config::Config;
pub use driver::Driver;
pub use processor::Sql;

guerrilla_plugin_api::export_plugin!(guerrilla_plugin_api::Batched<Sql>);
