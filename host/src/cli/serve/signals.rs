//! The signals that a daemon obeys.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Watches for them. A signal that comes while another is being obeyed waits; several of a kind may become one.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user1: Signal,
    /// Never obeyed. Watched for, it does not kill: what would make a file longer than the process may (`LimitFSIZE=`,
    /// `ulimit -f`) is an error for whoever writes, and mail is deferred.
    _file_size: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To end; the signal's name.
    End(&'static str),
    /// To read the configuration anew (SIGHUP).
    Reload,
    /// To open the log files anew (SIGUSR1).
    ReopenLogs,
}

impl Signals {
    /// From here on no signal of these kills the process, and none is lost.
    pub(super) fn watch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            _file_size: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    /// Waits for the next one. Those that end the daemon come first.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Wish::End("SIGTERM"),
            _ = self.interrupt.recv() => Wish::End("SIGINT"),
            _ = self.quit.recv() => Wish::End("SIGQUIT"),
            _ = self.user1.recv() => Wish::ReopenLogs,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }

    /// Waits for one that ends the daemon; the others wait.
    pub(super) async fn end(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
        }
    }
}
