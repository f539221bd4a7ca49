//! Why messages were not stored, what the log says of it, and what the clients hear.

use std::fmt;

use guerrilla_plugin_api::{Reply, Verdict};
use guerrilla_sql_client::Trouble;

/// Why messages were not stored, as far as is known.
pub(crate) struct Failed {
    pub(crate) trouble: Trouble,
    /// They may have been stored all the same.
    unknown: bool,
    why: String,
}

impl Failed {
    /// There was no answer in time; `committing` says whether it was the one to COMMIT.
    pub(crate) fn late(committing: bool) -> Self {
        Self { trouble: Trouble::Lost, unknown: committing, why: "no answer in time".to_owned() }
    }

    /// Its time was up before the database was asked.
    pub(crate) fn untried() -> Self {
        let why = "it has waited too long for its turn".to_owned();
        Self { trouble: Trouble::Busy, unknown: false, why }
    }

    /// Something other than a message's rows has failed.
    pub(crate) fn at(what: &str, error: &sqlx::Error) -> Self {
        let trouble = Trouble::of(error);
        // No message is to blame.
        let trouble = if trouble.is_of_one_message() { Trouble::Refused } else { trouble };
        Self { trouble, unknown: false, why: format!("{what}: {}", one_line(error)) }
    }

    /// The configuration is not one that the database can use.
    pub(crate) fn unusable(why: String) -> Self {
        Self { trouble: Trouble::Refused, unknown: false, why }
    }

    /// A row is larger than the database takes.
    pub(crate) fn too_big(why: String) -> Self {
        Self { trouble: Trouble::TooBig, unknown: false, why }
    }

    /// COMMIT has failed. A database that says so has undone the transaction; a connection that was lost says nothing.
    pub(crate) fn in_commit(error: sqlx::Error) -> Self {
        let failed = Self::from(error);
        Self { unknown: failed.trouble == Trouble::Lost, ..failed }
    }

    /// Whether the same may be tried again at once.
    pub(crate) fn is_worth_another(&self) -> bool {
        !self.unknown && matches!(self.trouble, Trouble::Lost | Trouble::Busy)
    }

    /// What the client hears. The details are for the log.
    ///
    /// Only what no retry can mend is refused for good. The rest is for us to mend, and waits.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.trouble {
            Trouble::TooBig => {
                Verdict::reject(Reply::new(552, "5.3.4", "The message is too large for the store"))
            }
            Trouble::Full => Verdict::NO_ROOM,
            Trouble::Lost | Trouble::Busy | Trouble::Refused | Trouble::Row => Verdict::UNSTORED,
        }
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self { trouble: Trouble::of(&error), unknown: false, why: one_line(&error) }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if self.unknown {
            f.write_str(" (they may be there all the same, and twice when they are sent again)")?;
        }
        Ok(())
    }
}

/// A driver's error as it may stand in a log.
fn one_line(error: &sqlx::Error) -> String {
    error.to_string().replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_commit_is_not_tried_again() {
        let lost = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(Failed::from(lost()).is_worth_another());
        let unknown = Failed::in_commit(lost());
        assert!(!unknown.is_worth_another());
        assert!(unknown.to_string().contains("they may be there all the same"), "{unknown}");
        assert!(!Failed::late(true).is_worth_another());
    }
}
