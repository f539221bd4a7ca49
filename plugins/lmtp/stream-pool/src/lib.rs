//! Connections to a server beside the daemon, for plugins that speak its protocol themselves.
//!
//! It is a crate of its own because two plugins need it and a plugin file exports names that may not be linked twice.
#![forbid(unsafe_code)]

mod address;
mod pool;

pub use address::{Address, Stream};
pub use pool::Pool;
