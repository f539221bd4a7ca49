//! Where a MySQL or MariaDB is and how it is reached, from a DSN of Go's driver or a URL.

use std::path::Path;

use guerrilla_go_dsn::{Address, GoDsn};
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

/// What stands beside the DSN in the configuration.
#[derive(Clone, Copy, Default)]
pub struct Access<'c> {
    /// `sql_password`; it goes before the one in the DSN.
    pub password: Option<&'c str>,
    /// `sql_ca_file`: PEM file with the authorities that the server's certificate is verified against. With it TLS is
    /// required and the server's name verified, unless the DSN asks for something else.
    pub ca_file: Option<&'c Path>,
}

/// Reads `sql_dsn`; connects nowhere. The session's zone is the server's, as with go-guerrilla: NOW() is what the operator expects. So is
/// its mode, but for the strictness of [`connect`](crate::connect()).
///
/// # Errors
/// One line that begins with the key and never shows a secret.
pub fn mysql(dsn: &str, access: Access<'_>) -> Result<MySqlConnectOptions, String> {
    let is_url = ["mysql://", "mariadb://"].iter().any(|scheme| dsn.starts_with(scheme));
    let (options, mode, zone) = if is_url { of_url(dsn)? } else { of_go(dsn)? };
    let mut options = options.pipes_as_concat(false).no_engine_substitution(false).timezone(zone);
    if let Some(password) = access.password {
        options = options.password(password);
    }
    if let Some(file) = access.ca_file {
        options = options.ssl_ca(file).ssl_mode(MySqlSslMode::VerifyIdentity);
    }
    if let Some(mode) = mode {
        options = options.ssl_mode(mode);
    }
    if !dsn.contains("statement-cache-capacity=") {
        options = options.statement_cache_capacity(STATEMENTS);
    }
    Ok(options.disable_statement_logging())
}

/// What the DSN alone says: the place, whether TLS is asked for, the time zone.
type Said = (MySqlConnectOptions, Option<MySqlSslMode>, Option<String>);

fn of_go(dsn: &str) -> Result<Said, String> {
    let dsn = GoDsn::parse(dsn).map_err(|e| format!("sql_dsn: {e}"))?;
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
    let mut options = options.username(&dsn.user).database(&dsn.database);
    if let Some(password) = &dsn.password {
        options = options.password(password);
    }
    Ok((options, mode, dsn.time_zone))
}

fn of_url(dsn: &str) -> Result<Said, String> {
    let url = dsn.replacen("mariadb:", "mysql:", 1);
    // The driver's own words are left out: they quote what it takes for a port or a mode, and that may be half of a password.
    let options: MySqlConnectOptions = url.parse().map_err(|_| UNUSABLE)?;
    let explicit = dsn.contains("ssl-mode=") || dsn.contains("sslmode=");
    let mode = explicit.then(|| options.get_ssl_mode());
    Ok((options, mode, None))
}

const UNUSABLE: &str = "sql_dsn: is no URL that can be used: look at port and sslmode, and write special characters of user and password \
     as %xx";

/// Statements that a connection keeps prepared: one for each number of rows.
pub const STATEMENTS: usize = 128;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn options(dsn: &str) -> MySqlConnectOptions {
        let access = Access { password: Some("x"), ca_file: None };
        mysql(dsn, access).unwrap_or_else(|error| panic!("{dsn}: {error}"))
    }

    #[test]
    fn go_dsns_and_urls_come_to_the_same() {
        for dsn in [
            "u:p@tcp(db.example:3307)/mail",
            "mysql://u:p@db.example:3307/mail",
            "mariadb://u:p@db.example:3307/mail",
        ] {
            let options = options(dsn);
            let place = (
                options.get_host(),
                options.get_port(),
                options.get_username(),
                options.get_database(),
            );
            assert_eq!(place, ("db.example", 3307, "u", Some("mail")), "{dsn}");
        }
        // A user called so makes no URL of it.
        assert_eq!(options("mysql:p@tcp(db.example)/mail").get_username(), "mysql");
        let socket = options("u@unix(/run/my.sock)/mail");
        assert_eq!(socket.get_socket(), Some(&PathBuf::from("/run/my.sock")));
    }

    #[test]
    fn tls_as_gos_driver_names_it() {
        for (tls, mode) in [
            ("", "Preferred"),
            ("?tls=preferred", "Preferred"),
            ("?tls=false", "Disabled"),
            ("?tls=skip-verify", "Required"),
            ("?tls=true", "VerifyIdentity"),
        ] {
            let options = options(&format!("u@tcp(h)/d{tls}"));
            assert_eq!(format!("{:?}", options.get_ssl_mode()), mode, "{tls}");
        }
        let error = mysql("u@tcp(h)/d?tls=my", Access::default()).unwrap_err();
        assert_eq!(error, "sql_dsn: tls must be true, false, skip-verify or preferred");
    }

    #[test]
    fn an_authority_means_that_it_is_asked_for() {
        let access = Access { password: None, ca_file: Some(Path::new("/etc/ca.pem")) };
        for (dsn, mode) in [
            ("mysql://u@h/d", "VerifyIdentity"),
            ("mysql://u@h/d?ssl-mode=VERIFY_CA", "VerifyCa"),
            ("u@tcp(h)/d", "VerifyIdentity"),
            ("u@tcp(h)/d?tls=skip-verify", "Required"),
        ] {
            let options = mysql(dsn, access).unwrap();
            assert_eq!(format!("{:?}", options.get_ssl_mode()), mode, "{dsn}");
        }
    }

    #[test]
    fn errors_never_show_the_password() {
        for dsn in [
            "root:hunter2@tcp(h",
            "root:hunter2",
            "root:hunter2@tcp(h)/d?tls=hunter2",
            "mysql://root:hunter2@h:hunter2/d",
            "mysql://root:hunter2@h/d?ssl-mode=hunter2",
        ] {
            let error = mysql(dsn, Access::default()).unwrap_err();
            assert!(error.starts_with("sql_dsn: ") && !error.contains("hunter2"), "{dsn}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
