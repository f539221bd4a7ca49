//! The keys that say where Redis is and how long it keeps what it is given, as operators write them.

use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};

use guerrilla_plugin_api::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// How Redis is reached, and what for.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct RedisKeys {
    /// Where Redis is: host:port, redis://user:password@host:port/database, rediss://... for TLS, or unix:/path. With a cluster or sentinels several, separated by commas. (go-guerrilla: redis_interface)
    pub redis_interface: Secret,
    /// Seconds after which Redis forgets a message. (go-guerrilla: redis_expire_seconds)
    pub redis_expire_seconds: NonZeroU32,
    /// User for AUTH; without one, AUTH has the password only.
    #[serde(default)]
    pub redis_username: Option<String>,
    /// Password for AUTH.
    #[serde(default)]
    pub redis_password: Option<Secret>,
    /// Number of the database.
    #[serde(default)]
    pub redis_database: Option<u32>,
    /// PEM file with the authorities that the server's certificate is verified against; without it the system's.
    #[serde(default)]
    pub redis_tls_ca_file: Option<String>,
    /// PEM file with a client certificate.
    #[serde(default)]
    pub redis_tls_cert_file: Option<String>,
    /// PEM file with the private key of the client certificate.
    #[serde(default)]
    pub redis_tls_key_file: Option<String>,
    /// Whether redis_interface names nodes of a Redis Cluster.
    #[serde(default)]
    pub redis_cluster: bool,
    /// Name of the master that the sentinels in redis_interface watch.
    #[serde(default)]
    pub redis_sentinel_master: Option<String>,
    /// Password of the sentinels, when they have one.
    #[serde(default)]
    pub redis_sentinel_password: Option<Secret>,
    /// Most connections at a time; each writes a batch.
    #[serde(default = "two")]
    pub redis_connections: NonZeroU8,
    /// Most messages that are written together.
    #[serde(default = "most_together")]
    pub redis_batch: NonZeroU16,
    /// Seconds that one attempt to connect and to write a batch may take.
    #[serde(default = "five")]
    pub redis_timeout_seconds: NonZeroU16,
}

const fn most_together() -> NonZeroU16 {
    const { NonZeroU16::new(256).unwrap() }
}

const fn two() -> NonZeroU8 {
    const { NonZeroU8::new(2).unwrap() }
}

const fn five() -> NonZeroU16 {
    const { NonZeroU16::new(5).unwrap() }
}

/// Reads the keys that a type knows out of an object that holds others' too.
///
/// # Errors
/// One line that begins with the key.
pub fn read<T: DeserializeOwned>(config: &Map<String, Value>) -> Result<T, String> {
    // A null is as good as no value.
    let given = config.iter().filter(|(_, value)| !value.is_null());
    let given: Map<String, Value> = given.map(|(k, v)| (k.clone(), v.clone())).collect();
    serde_path_to_error::deserialize(Value::Object(given)).map_err(|error| {
        let path = error.path().to_string();
        let what = error.into_inner().to_string();
        if path == "." { what } else { format!("{path}: {what}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(json: Value) -> Result<RedisKeys, String> {
        let mut all = serde_json::json!({ "redis_interface": "x", "redis_expire_seconds": 1 });
        all.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        read(all.as_object().unwrap())
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let keys = keys(serde_json::json!({ "redis_password": null, "log_received_mails": 1 }));
        let keys = keys.unwrap();
        assert_eq!((keys.redis_connections.get(), keys.redis_timeout_seconds.get()), (2, 5));
        assert!(!keys.redis_cluster && keys.redis_password.is_none());
    }

    #[test]
    fn none_at_all_is_not_one() {
        for key in ["redis_batch", "redis_connections", "redis_timeout_seconds"] {
            let error = keys(serde_json::json!({ key: 0 })).unwrap_err();
            assert!(error.starts_with(&format!("{key}: ")) && error.contains("nonzero"), "{error}");
        }
    }

    #[test]
    fn errors_name_the_key_and_no_secret() {
        let error = keys(serde_json::json!({ "redis_database": "4711" }));
        assert_eq!(
            error.unwrap_err(),
            "redis_database: invalid type: string \"4711\", expected u32"
        );
        for key in ["redis_interface", "redis_password", "redis_sentinel_password"] {
            let error = keys(serde_json::json!({ key: 4711 })).unwrap_err();
            assert!(error.starts_with(key) && !error.contains("4711"), "{error}");
        }
        assert_eq!(read::<RedisKeys>(&Map::new()).unwrap_err(), "missing field `redis_interface`");
    }
}
