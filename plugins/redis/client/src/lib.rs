//! How guerrillad's plugins reach Redis.
//!
//! It is a crate of its own because two plugins need it and a plugin file exports names that may not be linked twice.
//!
//! A reader of the code may go from `keys` (what operators write) over `target` (what that stands for) and `link` (one connection)
//! to `pool` (what plugins use), and look into `trouble` for what an error means for the mail in hand.
//!
//! Never: a password in a text that could reach a log. A call without a deadline.
#![forbid(unsafe_code)]

mod backoff;
mod keys;
mod link;
mod pool;
mod target;
mod trouble;

pub use backoff::Backoff;
pub use keys::{RedisKeys, read};
pub use pool::RedisPool;
pub use trouble::Trouble;

/// Commands and their arguments are those of the driver.
pub use redis;
