//! Where the database is and how it is reached, from the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use crate::config::Config;
use crate::driver::Driver;
use guerrilla_go_dsn::{Address, GoDsn};

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
            (Some(secret), _) => secret.read("sql_dsn")?,
            (None, None | Some(Driver::Sqlite)) => DEFAULT_FILE.to_owned(),
            (None, Some(_)) => {
                return Err("sql_dsn: is missing; it says where the database is".to_owned());
            }
        };
        let password =
            config.sql_password.as_ref().map(|secret| secret.read("sql_password")).transpose()?;
        let login =
            Login { dsn: &dsn, password: password.as_deref(), ca: config.sql_ca_file.as_deref() };
        let of_url = Driver::of_url(&dsn);
        let driver = config.sql_driver.or(of_url).unwrap_or(Driver::Sqlite);
        if of_url.is_some_and(|of_url| of_url != driver) {
            return Err("sql_dsn: is a URL for another database than sql_driver says".to_owned());
        }
        match driver {
            Driver::MySql if of_url.is_some() => login.mysql_url(),
            Driver::MySql => login.mysql_go(),
            Driver::Postgres if of_url.is_some() => login.postgres(),
            Driver::Postgres => {
                Err("sql_dsn: must be a URL, as in postgres://user@host/database".to_owned())
            }
            Driver::Sqlite => login.sqlite(),
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

/// What was given.
struct Login<'c> {
    dsn: &'c str,
    password: Option<&'c str>,
    ca: Option<&'c Path>,
}

impl Login<'_> {
    fn mysql_go(&self) -> Result<Target, String> {
        let dsn = GoDsn::parse(self.dsn).map_err(|e| format!("sql_dsn: {e}"))?;
        let mode = match dsn.tls.as_deref() {
            None => None,
            Some("false" | "0") => Some(MySqlSslMode::Disabled),
            Some("preferred") => Some(MySqlSslMode::Preferred),
            Some("skip-verify") => Some(MySqlSslMode::Required),
            Some("true" | "1") => Some(MySqlSslMode::VerifyIdentity),
            Some(_) => {
                return Err("sql_dsn: tls must be true, false, skip-verify or preferred".to_owned());
            }
        };
        let options = match &dsn.address {
            Address::Tcp(host, port) => MySqlConnectOptions::new().host(host).port(*port),
            Address::Unix(path) => MySqlConnectOptions::new().socket(path),
        };
        let options = options.username(&dsn.user).database(&dsn.database);
        let options = match &dsn.password {
            Some(password) => options.password(password),
            None => options,
        };
        Ok(self.mysql(options, mode).map_timezone(dsn.time_zone))
    }

    fn mysql_url(&self) -> Result<Target, String> {
        let url = self.dsn.replacen("mariadb:", "mysql:", 1);
        let options: MySqlConnectOptions = url.parse().map_err(unusable)?;
        let explicit = self.dsn.contains("ssl-mode=") || self.dsn.contains("sslmode=");
        let mode = explicit.then(|| options.get_ssl_mode());
        Ok(self.mysql(options, mode))
    }

    fn mysql(&self, options: MySqlConnectOptions, mode: Option<MySqlSslMode>) -> Target {
        // The session's zone and mode are the server's, as with go-guerrilla: NOW() is what the operator expects.
        let mut options =
            options.pipes_as_concat(false).no_engine_substitution(false).timezone(None);
        if let Some(password) = self.password {
            options = options.password(password);
        }
        if let Some(ca) = self.ca {
            options = options.ssl_ca(ca).ssl_mode(MySqlSslMode::VerifyIdentity);
        }
        if let Some(mode) = mode {
            options = options.ssl_mode(mode);
        }
        let options = match self.has_cache_size() {
            true => options,
            false => options.statement_cache_capacity(CACHED),
        };
        Target::MySql(options.disable_statement_logging())
    }

    fn postgres(&self) -> Result<Target, String> {
        let mut options: PgConnectOptions = self.dsn.parse().map_err(unusable)?;
        if let Some(password) = self.password {
            options = options.password(password);
        }
        if let Some(ca) = self.ca {
            options = options.ssl_root_cert(ca);
            if matches!(options.get_ssl_mode(), PgSslMode::Prefer) {
                options = options.ssl_mode(PgSslMode::VerifyFull);
            }
        }
        if !self.has_cache_size() {
            options = options.statement_cache_capacity(CACHED);
        }
        let options = options.application_name("guerrillad");
        Ok(Target::Postgres(options.disable_statement_logging()))
    }

    /// A pooler that shares a connection between transactions wants `?statement-cache-capacity=0`.
    fn has_cache_size(&self) -> bool {
        self.dsn.contains("statement-cache-capacity=")
    }

    fn sqlite(&self) -> Result<Target, String> {
        let path = self.dsn.strip_prefix("sqlite:").unwrap_or(self.dsn);
        let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
        if path.as_os_str().is_empty() || path == Path::new(":memory:") {
            return Err("sql_dsn: must be a file; what is only in memory is not kept".to_owned());
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // In WAL mode anything less forgets the last commits when the power fails.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(1))
            .statement_cache_capacity(CACHED);
        Ok(Target::Sqlite(options.disable_statement_logging()))
    }
}

impl Target {
    fn map_timezone(self, zone: Option<String>) -> Self {
        match self {
            Self::MySql(options) => Self::MySql(options.timezone(zone)),
            other => other,
        }
    }
}

/// The driver's own words are left out: they quote what it takes for a port or a mode, and that may be half of a password.
fn unusable(_: sqlx::Error) -> String {
    "sql_dsn: is no URL that can be used: look at port and sslmode, and write special characters of user and password \
     as %xx"
        .to_owned()
}

/// Statements that a connection keeps prepared: one for each number of rows.
const CACHED: usize = 128;
/// The file when none is named.
const DEFAULT_FILE: &str = "guerrillad.sqlite";

#[cfg(test)]
mod tests;
