//! The keys of the configuration that are this processor's own; the others are `RedisKeys`.

use std::path::PathBuf;

use guerrilla_plugin_api::Secret;
use serde::Deserialize;

/// What an operator writes for GuerrillaRedisDB.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// The table, which may have a database in front. (go-guerrilla: mail_table)
    pub mail_table: String,
    /// Where the database is: user:password@tcp(host:3306)/database?tls=true or user@unix(/path)/database, or a URL mysql://user:password@host/database. (go-guerrilla: sql_dsn)
    #[cfg_attr(test, schemars(extend("x-files-in-query" = ["ssl-ca", "sslca", "ssl-cert", "sslcert", "ssl-key", "sslkey"])))]
    pub sql_dsn: Secret,
    /// Kind of database: mysql, which stands for MariaDB, too. (go-guerrilla: sql_driver)
    #[serde(default)]
    pub sql_driver: Option<String>,
    /// The password, where it is not to stand in sql_dsn.
    #[serde(default)]
    pub sql_password: Option<Secret>,
    /// PEM file with the authorities that the database's certificate is verified against. With it TLS is required.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub sql_ca_file: Option<PathBuf>,
    /// Domain that stands behind the local part in the columns to and recipient. Default: the host name of the server. (go-guerrilla: primary_mail_host)
    #[serde(default)]
    pub primary_mail_host: Option<String>,
    /// Has no effect: rows are written as soon as they come, many together. (go-guerrilla: redis_sql_batch_timeout)
    #[serde(default)]
    pub redis_sql_batch_timeout: Option<u64>,
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::derived_schema;
    use guerrilla_redis_client::RedisKeys;

    use crate::processor::CONFIG_SCHEMA;

    /// What an operator writes for GuerrillaRedisDB.
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    struct All {
        #[serde(flatten)]
        redis: RedisKeys,
        #[serde(flatten)]
        own: super::Config,
    }

    #[test]
    fn the_schema_is_that_of_the_configuration() {
        assert_eq!(derived_schema::<All>(), CONFIG_SCHEMA, "copy it into config.schema.json");
    }
}
