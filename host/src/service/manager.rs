//! Telling the service manager how it goes, by the protocol of `sd_notify(3)`.
//!
//! Who cannot be told is not worth a failure: the daemon serves all the same, and the log has a line.

use std::env;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, poll};
use sd_notify::{NotifyState, notify, notify_with_fds};

use crate::daemon::SocketKeeper;

/// A service manager that wants to be told (`NOTIFY_SOCKET`).
#[derive(Clone, Debug)]
pub(crate) struct Manager {
    keeps: bool,
}

impl Manager {
    /// Whoever has started this process, if it wants to be told.
    pub(crate) fn of_this_process() -> Option<Self> {
        env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())?;
        // Of systemd 254 and later: how many descriptors it keeps.
        let keeps = env::var("FDSTORE").is_ok_and(|most| most.parse().is_ok_and(|n: u64| n > 0));
        Some(Self { keeps })
    }

    /// It serves, or goes on doing so after a reload.
    pub(crate) fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// It reads its configuration anew; [`ready`](Self::ready) follows, whatever comes of it. The time says which of
    /// several requests is meant.
    pub(crate) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
            Err(error) => complain(&error),
        }
    }

    /// It finishes what it has in hand.
    pub(crate) fn stopping(&self) {
        let status = "no new clients; waiting for messages in flight";
        tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
    }

    /// All of it is alive.
    pub(super) fn alive(&self) {
        tell(&[NotifyState::Watchdog]);
    }
}

impl SocketKeeper for Manager {
    fn keep(&self, name: &str, sockets: &[BorrowedFd<'_>]) {
        for some in sockets.chunks(MOST_AT_ONCE) {
            let states = [NotifyState::FdStore, NotifyState::FdName(name)];
            if let Err(error) = notify_with_fds(&states, some) {
                complain(&error);
            }
        }
    }

    fn release(&self, name: &str) {
        tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
        if let Err(error) = until_all_is_read() {
            complain(&error);
        }
    }

    fn is_sure(&self) -> bool {
        self.keeps
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = notify(states) {
        complain(&error);
    }
}

fn complain(error: &io::Error) {
    tracing::warn!("the service manager cannot be told (NOTIFY_SOCKET): {error}");
}

/// Waits until the service manager has worked off what it was told (`BARRIER=1`): then it closes its end of a pipe. Until
/// then an address that it is to give up is in use.
fn until_all_is_read() -> io::Result<()> {
    let (read, write) = io::pipe()?;
    notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[write.as_fd()])?;
    drop(write);
    poll(&mut [PollFd::new(read.as_fd(), PollFlags::empty())], PATIENCE)?;
    Ok(())
}

/// A message takes 253 descriptors (SCM_MAX_FD of Linux).
const MOST_AT_ONCE: usize = 253;

/// In milliseconds. It is a matter of one; one that does not know the word never answers.
const PATIENCE: u16 = 1000;
