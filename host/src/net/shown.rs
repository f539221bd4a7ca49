//! What of the clients' doings an operator may look at while the daemon runs. One for all servers of a daemon; it outlives
//! reloads.

use super::recent::Recent;
use super::trace::Watchers;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Those who watch single clients.
    pub(crate) watchers: Watchers,
    /// The last messages.
    pub(crate) recent: Recent,
}
