//! Why a connection has ended.

use std::fmt;
use std::io;

use guerrilla_smtp::CloseReason;

use super::tls::HandshakeError;

/// Why a connection has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// As the protocol has it, by the client's word or by ours.
    Closed(CloseReason),
    ClientGone,
    Failed(io::Error),
    Handshake(HandshakeError),
    /// By a fault of ours.
    Panicked,
}

impl Ended {
    /// Whether the client may still be sending: it has not asked for the end.
    pub(super) fn is_by_us(&self) -> bool {
        matches!(self, Self::Closed(reason) if *reason != CloseReason::Quit)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => write!(f, "reason={reason:?}"),
            Self::ClientGone => f.write_str("reason=ClientGone"),
            Self::Failed(error) => write!(f, "reason=Failed error={error}"),
            Self::Handshake(error) => write!(f, "reason=Handshake error={error}"),
            Self::Panicked => f.write_str("reason=Panicked"),
        }
    }
}
