//! What an error of Redis means for the mail in hand.

use guerrilla_plugin_api::Verdict;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why something is not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It may work at the next attempt: the server is away, slow, starting, or handing over to another.
    #[error("{0}")]
    Passing(String),
    /// The server does not want it, and will not in the next second: no room, no permission, no durable storage.
    #[error("{why}")]
    Refused {
        /// What the server said.
        why: String,
        /// It said that it is full.
        full: bool,
    },
}

impl Trouble {
    /// What an error means. `moves`: the server to write to may become another (a cluster, sentinels).
    pub(crate) fn of(error: &RedisError, moves: bool) -> Self {
        use ServerErrorKind as Kind;
        let why = error.to_string().replace(['\r', '\n'], " ");
        let refused = |full| Self::Refused { why: why.clone(), full };
        match error.kind() {
            ErrorKind::Server(Kind::ReadOnly) if !moves => refused(false),
            ErrorKind::Server(
                Kind::BusyLoading
                | Kind::TryAgain
                | Kind::ClusterDown
                | Kind::MasterDown
                | Kind::Moved
                | Kind::Ask
                | Kind::ReadOnly,
            ) => Self::Passing(why),
            ErrorKind::Server(_) => refused(false),
            // Written by the server in its own words.
            ErrorKind::Extension => match error.code() {
                Some("OOM") => refused(true),
                Some("NOREPLICAS") => Self::Passing(why),
                _ => refused(false),
            },
            ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => refused(false),
            _ => Self::Passing(why),
        }
    }

    /// The connection did not serve in time.
    pub(crate) fn timeout() -> Self {
        Self::Passing("no answer in time".to_owned())
    }

    /// What the client hears of a message that is not stored: it is to try again. The details are for the log.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Refused { full: true, .. } => Verdict::NO_ROOM,
            Self::Refused { .. } | Self::Passing(_) => Verdict::UNSTORED,
        }
    }

    /// Whether another attempt makes sense.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Passing(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: ServerErrorKind) -> RedisError {
        RedisError::from((ErrorKind::Server(kind), "said"))
    }

    #[test]
    fn a_server_that_moves_is_waited_for() {
        let read_only = said(ServerErrorKind::ReadOnly);
        assert!(Trouble::of(&read_only, true).is_passing());
        assert!(!Trouble::of(&read_only, false).is_passing());
        for kind in
            [ServerErrorKind::BusyLoading, ServerErrorKind::ClusterDown, ServerErrorKind::Moved]
        {
            assert!(Trouble::of(&said(kind), false).is_passing(), "{kind:?}");
        }
        for kind in [ServerErrorKind::NoPerm, ServerErrorKind::ResponseError] {
            assert!(!Trouble::of(&said(kind), true).is_passing(), "{kind:?}");
        }
    }

    #[test]
    fn a_lost_connection_passes_and_a_wrong_password_does_not() {
        let lost = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(Trouble::of(&lost, false).is_passing());
        let wrong = RedisError::from((ErrorKind::AuthenticationFailed, "wrong"));
        assert!(!Trouble::of(&wrong, false).is_passing());
    }
}
