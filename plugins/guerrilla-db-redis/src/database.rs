//! Where the database is and how it is reached, from the configuration.

use guerrilla_plugin_api::Secret;
use guerrilla_sql_client::{Access, mysql};
use sqlx::mysql::MySqlConnectOptions;

use crate::config::Config;

/// Checks the keys; connects nowhere. The error names the key and never shows a secret.
pub(crate) fn options(config: &Config) -> Result<MySqlConnectOptions, String> {
    if config.sql_driver.as_ref().is_some_and(|driver| !driver.eq_ignore_ascii_case("mysql")) {
        return Err("sql_driver: must be mysql; the processor sql knows others".to_owned());
    }
    let access = Access {
        password: config.sql_password.as_ref().map(Secret::reveal),
        ca_file: config.sql_ca_file.as_deref(),
    };
    mysql(config.sql_dsn.reveal(), access)
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
            "mail_table": "t", "sql_dsn": "u:4711@tcp(db:1)/x"
        });
        let config = config.as_object_mut().unwrap();
        config.extend(json.as_object().unwrap().clone());
        options(&guerrilla_redis_client::read(config)?)
    }

    #[test]
    fn a_go_dsn_or_a_url() {
        let options = of(serde_json::json!({ "sql_driver": "MySQL" })).unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("db", 1));
        let options = of(serde_json::json!({ "sql_dsn": "mysql://u@db:2/x" })).unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("db", 2));
    }

    #[test]
    fn errors_name_the_key_and_no_secret() {
        for (json, key) in [
            (serde_json::json!({ "sql_driver": "postgres" }), "sql_driver"),
            (serde_json::json!({ "sql_dsn": "u:4711@tcp(db:1)" }), "sql_dsn"),
            (serde_json::json!({ "sql_dsn": "u:4711@tcp(db:1)/x?tls=4711" }), "sql_dsn"),
            (serde_json::json!({ "sql_dsn": 4711 }), "sql_dsn"),
            (serde_json::json!({ "sql_password": 4711 }), "sql_password"),
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
