//! Where the database is and how it is reached, from the configuration.

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use crate::config::Config;
use guerrilla_go_dsn::{Address, GoDsn};

/// Reads secrets and checks the DSN; connects nowhere. The error names the key and never shows a secret.
pub(crate) fn options(config: &Config) -> Result<MySqlConnectOptions, String> {
    if config.sql_driver.as_ref().is_some_and(|driver| !driver.eq_ignore_ascii_case("mysql")) {
        return Err("sql_driver: must be mysql; the processor sql knows others".to_owned());
    }
    let dsn =
        GoDsn::parse(&config.sql_dsn.reveal("sql_dsn")?).map_err(|e| format!("sql_dsn: {e}"))?;
    let mut options = match &dsn.address {
        Address::Tcp(host, port) => MySqlConnectOptions::new().host(host).port(*port),
        Address::Unix(path) => MySqlConnectOptions::new().socket(path),
    };
    options = options.username(&dsn.user).database(&dsn.database);
    let password = config.sql_password.as_ref().map(|secret| secret.reveal("sql_password"));
    if let Some(password) = password.transpose()?.or(dsn.password) {
        options = options.password(&password);
    }
    let mode = match (dsn.tls.as_deref(), &config.sql_ca_file) {
        (Some("true" | "1"), _) | (None, Some(_)) => MySqlSslMode::VerifyIdentity,
        (Some("skip-verify"), _) => MySqlSslMode::Required,
        (Some("preferred"), _) | (None, None) => MySqlSslMode::Preferred,
        (Some("false" | "0"), _) => MySqlSslMode::Disabled,
        (Some(_), _) => {
            return Err("sql_dsn: tls must be true, false, skip-verify or preferred".to_owned());
        }
    };
    options = options.ssl_mode(mode);
    if let Some(ca) = &config.sql_ca_file {
        options = options.ssl_ca(ca);
    }
    // The session's zone and mode are the server's, as with go-guerrilla: NOW() is what the operator expects.
    let options =
        options.pipes_as_concat(false).no_engine_substitution(false).timezone(dsn.time_zone);
    Ok(options.disable_statement_logging())
}

/// Checks and quotes the name of the table.
pub(crate) fn table(name: &str) -> Result<String, String> {
    let parts: Vec<&str> = name.trim().split('.').map(|part| part.trim_matches('`')).collect();
    let is_name = |part: &&str| !part.is_empty() && !part.contains(['`', '\0']);
    if parts.len() > 2 || !parts.iter().all(is_name) {
        return Err("mail_table: write table or database.table".to_owned());
    }
    Ok(format!("`{}`", parts.join("`.`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: serde_json::Value) -> Result<MySqlConnectOptions, String> {
        let mut config = serde_json::json!({
            "mail_table": "t", "redis_expire_seconds": 1, "sql_dsn": "u:4711@tcp(db:1)/x"
        });
        let config = config.as_object_mut().unwrap();
        config.extend(json.as_object().unwrap().clone());
        options(&guerrilla_redis_client::read(config)?)
    }

    #[test]
    fn go_dsn_and_keys() {
        let options = of(serde_json::json!({ "sql_driver": "MySQL" })).unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("db", 1));
        assert!(matches!(options.get_ssl_mode(), MySqlSslMode::Preferred));
        let options = of(serde_json::json!({ "sql_ca_file": "/ca.pem" })).unwrap();
        assert!(matches!(options.get_ssl_mode(), MySqlSslMode::VerifyIdentity));
    }

    #[test]
    fn errors_name_the_key_and_no_secret() {
        for (json, key) in [
            (serde_json::json!({ "sql_driver": "postgres" }), "sql_driver"),
            (serde_json::json!({ "sql_dsn": "u:4711@tcp(db:1)" }), "sql_dsn"),
            (serde_json::json!({ "sql_dsn": "u:4711@tcp(db:1)/x?tls=4711" }), "sql_dsn"),
            (serde_json::json!({ "sql_dsn": 4711 }), "sql_dsn"),
            (serde_json::json!({ "sql_password": {"file": "/nowhere"} }), "sql_password"),
        ] {
            let error = of(json).unwrap_err();
            assert!(error.starts_with(key) && !error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn tables_are_quoted() {
        assert_eq!(table("new_mail").unwrap(), "`new_mail`");
        assert_eq!(table("`store`.new-mail").unwrap(), "`store`.`new-mail`");
        for bad in ["", "a.b.c", "a`b", "a."] {
            assert!(table(bad).is_err(), "{bad}");
        }
    }
}
