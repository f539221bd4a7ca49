//! What the daemon says of itself.

mod line;
mod log;

pub(crate) use log::start;
