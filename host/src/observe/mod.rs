//! What the daemon says of itself.
//!
//! - `log`: where lines go, which of them, in what form.
//! - `line`: the form of a line.
//! - `output`: a queue, the thread that empties it, the file behind it.
//! - `route`: which log a line belongs to.

mod line;
mod log;
mod output;
mod route;

pub(crate) use log::PreparedLog;
pub use log::{Log, LogError};
pub(crate) use route::Route;
