//! Where the database is and how it is reached, from the configuration.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use guerrilla_plugin_api::Secret;
use guerrilla_sql_client::{Access, STATEMENTS, mysql};
use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use crate::config::Config;
use crate::driver::Driver;

/// A database that can be connected to.
pub(crate) enum Target {
    MySql(MySqlConnectOptions),
    Postgres(PgConnectOptions),
    Sqlite(SqliteConnectOptions),
}

impl Target {
    /// Reads secrets and checks the DSN; connects nowhere. The error names the key and never shows a secret.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let dsn = match (&config.sql_dsn, config.sql_driver) {
            (Some(secret), _) => secret.reveal(),
            (None, None | Some(Driver::Sqlite)) => DEFAULT_FILE,
            (None, Some(_)) => {
                return Err("sql_dsn: is missing; it says where the database is".to_owned());
            }
        };
        let access = Access {
            password: config.sql_password.as_ref().map(Secret::reveal),
            ca_file: config.sql_ca_file.as_deref(),
        };
        let of_url = Driver::of_url(dsn);
        let driver = match config.sql_driver.or(of_url) {
            Some(driver) => driver,
            None if ["@tcp(", "@unix("].iter().any(|go| dsn.contains(go)) => Driver::MySql,
            // A mistake in an address must not become a file that mail is acknowledged into, with a password in its name.
            None if dsn.contains(['@', '=']) || dsn.contains("://") => {
                return Err(UNKNOWN.to_owned());
            }
            None => Driver::Sqlite,
        };
        if of_url.is_some_and(|of_url| of_url != driver) {
            return Err("sql_dsn: is a URL for another database than sql_driver says".to_owned());
        }
        match driver {
            Driver::MySql => mysql(dsn, access).map(Self::MySql),
            Driver::Postgres if of_url.is_some() => postgres(dsn, access).map(Self::Postgres),
            Driver::Postgres => {
                Err("sql_dsn: must be a URL, as in postgres://user@host/database".to_owned())
            }
            Driver::Sqlite => sqlite(dsn).map(Self::Sqlite),
        }
    }

    /// Which kind of database it is.
    pub(crate) fn driver(&self) -> Driver {
        match self {
            Self::MySql(_) => Driver::MySql,
            Self::Postgres(_) => Driver::Postgres,
            Self::Sqlite(_) => Driver::Sqlite,
        }
    }
}

/// For the log: without user and password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, host, port, socket, database) = match self {
            Self::MySql(at) => {
                ("mysql", at.get_host(), at.get_port(), at.get_socket(), at.get_database())
            }
            Self::Postgres(at) => {
                ("postgres", at.get_host(), at.get_port(), at.get_socket(), at.get_database())
            }
            Self::Sqlite(at) => return write!(f, "sqlite {}", at.get_filename().display()),
        };
        match socket {
            Some(path) => write!(f, "{name} {}", path.display())?,
            None => write!(f, "{name} {host}:{port}")?,
        }
        database.map_or(Ok(()), |database| write!(f, "/{database}"))
    }
}

fn postgres(dsn: &str, access: Access<'_>) -> Result<PgConnectOptions, String> {
    // The driver's own words are left out: they quote what it takes for a port or a mode, and that may be half of a password.
    let mut options: PgConnectOptions = dsn.parse().map_err(|_| UNUSABLE)?;
    if let Some(password) = access.password {
        options = options.password(password);
    }
    if let Some(file) = access.ca_file {
        options = options.ssl_root_cert(file);
        if matches!(options.get_ssl_mode(), PgSslMode::Prefer) {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
    }
    // A pooler that shares a connection between transactions wants `?statement-cache-capacity=0`.
    if !dsn.contains("statement-cache-capacity=") {
        options = options.statement_cache_capacity(STATEMENTS);
    }
    Ok(options.application_name("guerrillad").disable_statement_logging())
}

fn sqlite(dsn: &str) -> Result<SqliteConnectOptions, String> {
    let (path, is_url) = match dsn.strip_prefix("sqlite:") {
        Some(path) => (path.strip_prefix("//").unwrap_or(path), true),
        None => (dsn, false),
    };
    if path.is_empty() || path == ":memory:" {
        return Err("sql_dsn: must be a file; what is only in memory is not kept".to_owned());
    }
    if (is_url && path.contains('?')) || path.starts_with("file:") {
        return Err("sql_dsn: must be the path of a file alone; it takes no parameters".to_owned());
    }
    // The log names it, and says where it is.
    let path = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode anything less forgets the last commits when the power fails.
        .synchronous(SqliteSynchronous::Full)
        // What has a page size already keeps it.
        .page_size(PAGE)
        .pragma("wal_autocheckpoint", LOG_PAGES)
        // An INSERT of many rows keeps the pages of the indexes as they were until it is done, a page for nearly each row: from
        // 64 KiB on in a file, were it not for this.
        .pragma("temp_store", "MEMORY")
        .busy_timeout(Duration::from_secs(1))
        .statement_cache_capacity(STATEMENTS);
    Ok(options.disable_statement_logging())
}

const UNUSABLE: &str = "sql_dsn: is no URL that can be used: look at port and sslmode, and write special characters of user and password \
     as %xx";
const UNKNOWN: &str = "sql_dsn: does not say what kind of database it is of; set sql_driver to mysql, postgres or sqlite, or write a URL such as \
     postgres://user@host/database or the path of a file of SQLite (with @, = or :// in it only with sql_driver)";
/// Bytes of a page of a new file. Each page is written twice, into the log and out of it, and a mail of 10 KB has fewer of them
/// than with SQLite's 4096; with 16 KiB it would leave a third of its page empty.
const PAGE: u32 = 8192;
/// Pages of the log (16 MiB) from which on a commit moves them into the file and syncs it, while all others wait. A page that
/// has changed often is moved once, so doing it less often is cheaper, and the wait is longer.
const LOG_PAGES: &str = "2048";
/// The file when none is named.
const DEFAULT_FILE: &str = "guerrillad.sqlite";

#[cfg(test)]
mod tests;
