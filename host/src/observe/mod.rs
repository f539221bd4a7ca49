//! What the daemon says of itself.
//!
//! - `log`: where lines go, which of them, in what form.
//! - `cells`: counting without a line of cache that threads share.
//! - `line`: the form of a line.
//! - `output`: a queue, the thread that empties it, the file behind it.
//! - `route`: which log a line belongs to.

pub(crate) mod cells;
mod line;
mod log;
mod output;
mod route;

pub(crate) use log::PreparedLog;
pub use log::{Log, LogError};
pub(crate) use route::Route;
