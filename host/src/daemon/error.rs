//! Why a configuration cannot be put to work.

use std::io;
use std::path::PathBuf;

use super::plugins::PluginsError;
use crate::net::{BindError, TlsError};
use crate::observe::LogError;
use crate::pipeline::AssembleError;

/// Why the daemon did not start, or why a reload has changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Plugin files that cannot be used, one line each.
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    /// Chains that cannot be built, one line each.
    #[error("{0}")]
    Chains(String),
    /// TLS is configured and cannot be had. Starting without it is no way out.
    #[error("servers[{index}].tls.{pair}{source}")]
    Tls {
        /// Which server.
        index: usize,
        /// Which of its pairs: nothing, or `certificates[0].`.
        pair: String,
        /// Why.
        source: TlsError,
    },
    /// A listener that cannot be bound.
    #[error("servers[{index}].listen_interface: {source}")]
    Bind {
        /// Which server.
        index: usize,
        /// Why.
        source: BindError,
    },
    /// The admin interface cannot be had.
    #[error("admin_listen: {0}")]
    Admin(BindError),
    /// More clients are allowed than the process may have files open.
    #[error(
        "max_clients: {clients} clients in all need more open files than the limit of {limit}; lower max_clients or raise the limit (ulimit -n, LimitNOFILE)"
    )]
    FileLimit {
        /// Sum of `max_clients`.
        clients: u64,
        /// The hard limit.
        limit: u64,
    },
    /// No file can be made where large messages are to be.
    #[error("spool_dir {}: no file can be made there: {source}; let the daemon's user write there, or choose another", dir.display())]
    Spool {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A log that cannot be written where it is configured to go.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No thread or runtime could be had.
    #[error("cannot start a thread: {0}")]
    Threads(io::Error),
}

impl From<AssembleError> for StartError {
    fn from(AssembleError(problems): AssembleError) -> Self {
        Self::Chains(problems.join("\n"))
    }
}
