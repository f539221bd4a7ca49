//! What a host says to a value that it does not take.

use std::fmt;

use guerrilla_plugin_abi::Status;

/// The host did not take what a setter gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The value is malformed, too long or out of range.
    BadValue,
    /// It cannot be set in this phase, or not with this host.
    Unsupported,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadValue => "the host refused a malformed value",
            Self::Unsupported => "the host cannot set this here",
        })
    }
}

impl std::error::Error for Refused {}

/// What the host has answered to a setter.
pub(crate) fn refused(status: Status) -> Result<(), Refused> {
    match status {
        Status::CONTINUE => Ok(()),
        Status::BAD_VALUE => Err(Refused::BadValue),
        _ => Err(Refused::Unsupported),
    }
}
