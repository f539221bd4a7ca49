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

    /// In a word.
    pub(super) fn reason(&self) -> impl fmt::Display {
        fmt::from_fn(move |f| match self {
            Self::Closed(reason) => write!(f, "{reason:?}"),
            Self::ClientGone => f.write_str("ClientGone"),
            Self::Failed(_) => f.write_str("Failed"),
            Self::Handshake(_) => f.write_str("Handshake"),
            Self::Panicked => f.write_str("Panicked"),
        })
    }

    /// What went wrong, in the system's words or those of TLS.
    pub(super) fn error(&self) -> Option<&dyn fmt::Display> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Closed(_) | Self::ClientGone | Self::Panicked => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reason={}", self.reason())?;
        self.error().map_or(Ok(()), |error| write!(f, " error={error}"))
    }
}
