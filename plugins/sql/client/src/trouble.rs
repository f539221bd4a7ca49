//! What an error of a database means for the rows that were to be written.

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The server is not there, or the connection has broken.
    Lost,
    /// Somebody else was in the way: trying again may help.
    Busy,
    /// There is no room.
    Full,
    /// The database takes no rows at all: read-only, a missing table or right.
    Refused,
    /// It does not take one of the rows; others may be fine.
    Row,
    /// A row is larger than the database can take.
    TooBig,
}

impl Trouble {
    /// What the error means.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Database(error) => of_database(error.as_ref()),
            // The driver could not put it into its format.
            Error::Encode(_) => Self::TooBig,
            Error::Configuration(_) => Self::Refused,
            _ => Self::Lost,
        }
    }

    /// Whether one of several messages is to blame, and which shows when they are tried apart.
    pub fn is_of_one_message(self) -> bool {
        matches!(self, Self::Row | Self::TooBig)
    }
}

fn of_database(error: &dyn DatabaseError) -> Trouble {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return of_mysql(error.number(), error.message());
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        return of_sqlstate(&code, error.message());
    }
    // The low byte of SQLite's extended codes is the code.
    of_sqlite(code.parse::<u32>().map_or(1, |code| code & 0xff))
}

/// Numbers as in the references of MySQL and MariaDB.
fn of_mysql(number: u16, message: &str) -> Trouble {
    match number {
        // Too many connections, shut down, killed, network.
        1040
        | 1053
        | 1077
        | 1079
        | 1080
        | 1129
        | 1152
        | 1159..=1161
        | 1203
        | 1226
        | 1927
        | 4031 => Trouble::Lost,
        // A lock was waited for too long, a deadlock, a cluster that is not ready.
        1205 | 1213 | 1047 | 3572 => Trouble::Busy,
        1021 | 1114 => Trouble::Full,
        // Errors of the file system come with its number.
        3 | 1026 | 1030 if message.contains("28") => Trouble::Full,
        1153 | 1301 => Trouble::TooBig,
        // Rights, names, syntax, read-only.
        3
        | 1026
        | 1030
        | 1036
        | 1044..=1046
        | 1049
        | 1054
        | 1064
        | 1136
        | 1142
        | 1143
        | 1146
        | 1227
        | 1290
        // A column that the INSERT does not set and that has no default.
        | 1364
        | 1698
        | 1792
        | 1836 => Trouble::Refused,
        _ => Trouble::Row,
    }
}

/// Classes of PostgreSQL's Appendix A.
fn of_sqlstate(code: &str, message: &str) -> Trouble {
    match (code.get(..2).unwrap_or_default(), code) {
        ("08" | "57", _) | (_, "53300") => Trouble::Lost,
        (_, "53100") => Trouble::Full,
        ("58", _) if message.contains("No space left") => Trouble::Full,
        ("40" | "53" | "55", _) => Trouble::Busy,
        ("0A" | "25" | "26" | "28" | "34" | "3D" | "3F" | "42" | "58" | "F0" | "XX", _) => {
            Trouble::Refused
        }
        _ => Trouble::Row,
    }
}

fn of_sqlite(code: u32) -> Trouble {
    match code {
        // BUSY, LOCKED
        5 | 6 => Trouble::Busy,
        13 => Trouble::Full,
        18 => Trouble::TooBig,
        // CONSTRAINT, MISMATCH
        19 | 20 => Trouble::Row,
        _ => Trouble::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_each_database() {
        assert_eq!(of_mysql(1406, "Data too long for column 'to' at row 1"), Trouble::Row);
        assert_eq!(of_mysql(1030, "Got error 28 \"No space left on device\""), Trouble::Full);
        assert_eq!(of_mysql(1290, "--read-only"), Trouble::Refused);
        let no_default = of_mysql(1364, "Field 'charset' doesn't have a default value");
        assert_eq!(no_default, Trouble::Refused);
        assert_eq!(of_mysql(1213, "Deadlock found"), Trouble::Busy);
        assert_eq!(of_sqlstate("57P01", "terminating connection"), Trouble::Lost);
        assert_eq!(of_sqlstate("22001", "value too long"), Trouble::Row);
        assert_eq!(of_sqlstate("P0001", "raised by a trigger"), Trouble::Row);
        assert_eq!(of_sqlstate("25006", "read-only transaction"), Trouble::Refused);
        assert_eq!(
            of_sqlstate("58030", "could not extend file: No space left on device"),
            Trouble::Full
        );
        assert_eq!(of_sqlite(13), Trouble::Full);
        assert_eq!(Trouble::of(&Error::Io(std::io::ErrorKind::BrokenPipe.into())), Trouble::Lost);
    }
}
