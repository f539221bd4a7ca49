//! The keys of the configuration, as written.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use guerrilla_plugin_api::Secret;
use serde::Deserialize;

use crate::driver::Driver;

/// Where messages are stored, and how.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// Kind of database: `mysql` (MariaDB, too), `postgres` or `sqlite`. Without it `sql_dsn` says which: a URL does, `@tcp(` and `@unix(` stand for MySQL, and a path without `@`, `=` and `://` for a file of SQLite.
    #[serde(default)]
    pub sql_driver: Option<Driver>,
    /// Where the database is: `user:password@tcp(host:3306)/database?tls=true` or `user@unix(/path)/database` for MySQL, a URL such as `postgres://user@host/database?sslmode=verify-full` or `mysql://...`, or the path of a file for SQLite (default: `guerrillad.sqlite` in the working directory).
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("x-files-in-query" = ["ssl-ca", "sslca", "ssl-cert", "sslcert", "ssl-key", "sslkey", "sslrootcert", "ssl-root-cert"])))]
    pub sql_dsn: Option<Secret>,
    /// The password, where it is not to stand in `sql_dsn`.
    #[serde(default)]
    pub sql_password: Option<Secret>,
    /// PEM file with the authority that has signed the server's certificate. With it TLS is required and the server's name verified, unless the DSN asks for something else.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub sql_ca_file: Option<PathBuf>,
    /// The table, which may have a schema or database in front: `store.inbox`. Default: `new_mail`.
    #[serde(default = "default_table")]
    pub mail_table: String,
    /// Whether to make the table and its indexes at the start where they are missing. Default: only with SQLite.
    #[serde(default)]
    pub sql_create_table: Option<bool>,
    /// An INSERT of your own, up to and including VALUES.
    #[serde(default)]
    pub sql_insert: String,
    /// The values of one row for it, in parentheses: 14 markers `?` (PostgreSQL also `$1` to `$14`) in the order below. What follows the parentheses is put behind the last row.
    #[serde(default)]
    pub sql_values: String,
    /// Connections that write at the same time. 0 (default) stands for 2; SQLite always has one.
    #[serde(default)]
    pub sql_max_open_conns: u16,
    /// Connections that stay open while there is nothing to do. Default: all.
    #[serde(default)]
    pub sql_max_idle_conns: Option<u16>,
    /// Age at which a connection is replaced, such as `30m`. Default: never.
    #[serde(default)]
    pub sql_max_conn_lifetime: Lifetime,
    /// Most messages of one transaction. Default: 256.
    #[serde(default = "default_batch")]
    pub sql_batch: NonZeroU16,
    /// Host in the message ids of messages that have none. Set by the daemon.
    #[serde(default)]
    pub primary_mail_host: String,
}

impl Config {
    /// How many connections write.
    pub(crate) fn writers(&self, driver: Driver) -> usize {
        match (driver, self.sql_max_open_conns) {
            (Driver::Sqlite, _) => 1,
            (_, 0) => 2,
            (_, most) => most.into(),
        }
    }
}

fn default_table() -> String {
    "new_mail".to_owned()
}

const fn default_batch() -> NonZeroU16 {
    const { NonZeroU16::new(256).unwrap() }
}

/// A time as Go writes it: `1h30m`, `90s`, `0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Lifetime(
    /// None for no end.
    pub Option<Duration>,
);

impl TryFrom<String> for Lifetime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || "a time such as 30m, 1h30m or 90s is expected".to_owned();
        let mut rest = text.trim();
        if matches!(rest, "" | "0") {
            return Ok(Self(None));
        }
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let number =
                rest.find(|char: char| !char.is_ascii_digit() && char != '.').ok_or_else(wrong)?;
            let (value, unit) = rest.split_at(number);
            let end =
                unit.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(unit.len());
            let (unit, after) = unit.split_at(end);
            let seconds = match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(wrong()),
            };
            let value: f64 = value.parse().map_err(|_| wrong())?;
            total += Duration::try_from_secs_f64(value * seconds).map_err(|_| wrong())?;
            rest = after;
        }
        Ok(Self((!total.is_zero()).then_some(total)))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Lifetime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Lifetime".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
impl serde::Serialize for Lifetime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("0")
    }
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::derived_schema;

    use super::*;
    use crate::processor::CONFIG_SCHEMA;

    #[test]
    fn the_schema_is_that_of_the_type() {
        let derived = derived_schema::<Config>();
        assert_eq!(derived, CONFIG_SCHEMA, "copy it into config.schema.json");
    }

    /// The README's table has the keys of the schema in its order, each with the schema's words.
    #[test]
    fn the_readme_has_the_words_of_the_schema() {
        let readme = include_str!("../README.md");
        let schema: serde_json::Value = serde_json::from_str(CONFIG_SCHEMA).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let rows: Vec<&str> = readme.lines().filter(|line| is_key(line)).collect();
        assert_eq!(rows.len(), properties.len());
        for (key, property) in properties {
            let row = format!("| `{key}` | {} |", property["description"].as_str().unwrap());
            assert!(rows.contains(&row.as_str()), "the README should have the line\n{row}");
        }
    }

    fn is_key(line: &str) -> bool {
        ["| `sql_", "| `mail_table`", "| `primary_mail_host`"]
            .iter()
            .any(|key| line.starts_with(key))
    }

    #[test]
    fn times_as_in_go() {
        let lifetime = |text: &str| Lifetime::try_from(text.to_owned()).map(|lifetime| lifetime.0);
        assert_eq!(lifetime("1h30m"), Ok(Some(Duration::from_secs(5400))));
        assert_eq!(lifetime("1.5s"), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(lifetime("0s"), Ok(None));
        assert_eq!(lifetime(""), Ok(None));
        for wrong in ["5", "m", "5x", "-5s", "5 s", "1..5s", "99999999999999999999h"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
