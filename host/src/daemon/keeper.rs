//! What becomes of listening sockets when the process is exchanged for another.

use std::os::fd::BorrowedFd;

/// Somebody who keeps copies of sockets beyond the life of the process.
pub(crate) trait SocketKeeper: Send + Sync {
    /// Takes copies of the sockets of a listener, under a name for all of them.
    fn keep(&self, name: &str, sockets: &[BorrowedFd<'_>]);

    /// Closes its copies. When this returns they are closed, or it has been waited for long enough.
    fn release(&self, name: &str);

    /// Whether it is known to keep what it is given. Then clients that are in the queue at the end are left to the next
    /// process.
    fn is_sure(&self) -> bool;
}
