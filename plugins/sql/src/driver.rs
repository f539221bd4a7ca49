//! Which kind of database, and how its dialect differs.

use serde::Deserialize;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// MySQL and MariaDB.
    #[serde(alias = "mariadb")]
    MySql,
    /// PostgreSQL.
    #[serde(alias = "postgresql", alias = "pgx")]
    Postgres,
    /// SQLite, which needs no server.
    #[serde(alias = "sqlite3")]
    Sqlite,
}

impl Driver {
    /// The one that a DSN in the form of a URL names.
    pub(crate) fn of_url(dsn: &str) -> Option<Self> {
        let (scheme, rest) = dsn.split_once(':')?;
        // `mysql:password@tcp(host)/database` is a DSN of Go's driver.
        match scheme {
            "mysql" | "mariadb" if rest.starts_with("//") => Some(Self::MySql),
            "postgres" | "postgresql" if rest.starts_with("//") => Some(Self::Postgres),
            "sqlite" => Some(Self::Sqlite),
            _ => None,
        }
    }

    /// The clock of the database, as SQL.
    pub(crate) const fn now(self) -> &'static str {
        match self {
            Self::MySql | Self::Postgres => "NOW()",
            Self::Sqlite => "CURRENT_TIMESTAMP",
        }
    }

    /// A name as SQL. Parts are separated by dots; one that stands in quotes already stays as it is.
    ///
    /// PostgreSQL folds names without quotes to lower case, and so do we, so that reserved words can be names, too.
    pub(crate) fn quote(self, name: &str) -> String {
        let parts = name.split('.').map(|part| self.quote_part(part));
        parts.collect::<Vec<_>>().join(".")
    }

    fn quote_part(self, part: &str) -> String {
        let part = part.trim();
        let mark = if self == Self::MySql { '`' } else { '"' };
        let inner = part.strip_prefix(['"', '`']).and_then(|rest| rest.strip_suffix(['"', '`']));
        let name = match (inner, self) {
            (Some(inner), _) => inner.to_owned(),
            (None, Self::Postgres) => part.to_lowercase(),
            (None, _) => part.to_owned(),
        };
        // A mark within the name cannot end it.
        format!("{mark}{}{mark}", name.replace(mark, &format!("{mark}{mark}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(Driver::MySql.quote("new_mail"), "`new_mail`");
        assert_eq!(Driver::MySql.quote("`mail-2`.Order"), "`mail-2`.`Order`");
        assert_eq!(Driver::Postgres.quote("Public.Order"), r#""public"."order""#);
        assert_eq!(Driver::Postgres.quote(r#""Order""#), r#""Order""#);
        assert_eq!(Driver::Sqlite.quote(r#"x" (y); --"#), r#""x"" (y); --""#);
    }

    #[test]
    fn urls_name_their_driver() {
        assert_eq!(Driver::of_url("postgresql://x/y"), Some(Driver::Postgres));
        assert_eq!(Driver::of_url("sqlite:mail.db"), Some(Driver::Sqlite));
        assert_eq!(Driver::of_url("root:secret@tcp(h)/db"), None);
        assert_eq!(Driver::of_url("mysql:secret@tcp(h)/db"), None);
        assert_eq!(Driver::of_url("/var/lib/mail.db"), None);
    }
}
