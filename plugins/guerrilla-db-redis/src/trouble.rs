//! What an error of the database means for the rows in hand.

use guerrilla_redis_client::Trouble;
use sqlx::Error;
use sqlx::mysql::MySqlDatabaseError;

/// What an error means.
pub(crate) fn of(error: &Error) -> Trouble {
    let why = error.to_string().replace(['\r', '\n'], " ");
    match error {
        Error::Database(database) => {
            let mysql = database.try_downcast_ref::<MySqlDatabaseError>();
            of_number(mysql.map_or(0, MySqlDatabaseError::number), why)
        }
        Error::Configuration(_) | Error::Encode(_) => Trouble::Refused { why, full: false },
        _ => Trouble::Passing(why),
    }
}

/// Numbers as in the references of MySQL and MariaDB.
fn of_number(number: u16, why: String) -> Trouble {
    match number {
        // Too many connections, shut down, killed, the network.
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
        | 4031 => Trouble::Passing(why),
        // A lock was waited for too long, a deadlock, a cluster that is not ready.
        1205 | 1213 | 1047 | 3572 => Trouble::Passing(why),
        1021 | 1114 => Trouble::Refused { why, full: true },
        // Errors of the file system come with its number: 28 is "no space left on device".
        3 | 1026 | 1030 => Trouble::Refused { full: why.contains("28"), why },
        _ => Trouble::Refused { why, full: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let of = |number| of_number(number, "errno 28".to_owned());
        assert!(of(1213).is_passing() && of(1053).is_passing());
        assert!(matches!(of(1114), Trouble::Refused { full: true, .. }));
        assert!(matches!(of(1030), Trouble::Refused { full: true, .. }));
        assert!(matches!(of(1146), Trouble::Refused { full: false, .. }));
        assert!(super::of(&Error::Io(std::io::ErrorKind::BrokenPipe.into())).is_passing());
    }
}
