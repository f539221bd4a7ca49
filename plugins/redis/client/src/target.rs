//! What the keys stand for: one server, the master that sentinels name, or a cluster.

use std::fmt;
use std::fs;
use std::time::Duration;

use guerrilla_plugin_api::Secret;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, TlsCertificates, TlsMode,
};

use crate::keys::RedisKeys;

/// Where to connect, with all that it needs.
pub(crate) struct Target {
    pub(crate) way: Way,
    pub(crate) timeout: Duration,
    /// For the log: without passwords.
    name: String,
}

/// How the server to write to is found.
pub(crate) enum Way {
    Server(Box<Client>),
    /// Asked anew at every connection: the master may be another by now.
    Sentinel(
        Box<dyn Fn() -> Result<redis::sentinel::SentinelClient, redis::RedisError> + Send + Sync>,
    ),
    Cluster(Box<ClusterClient>),
}

impl Target {
    /// Checks the keys. Reads the files they name, and opens nothing else.
    ///
    /// # Errors
    /// One line that begins with the key.
    pub(crate) fn new(keys: &RedisKeys) -> Result<Self, String> {
        let interface = keys.redis_interface.reveal();
        let several = keys.redis_cluster || keys.redis_sentinel_master.is_some();
        let places: Vec<&str> = if several {
            interface.split(',').map(str::trim).collect()
        } else {
            vec![interface.trim()]
        };
        let nodes: Vec<ConnectionInfo> =
            places.iter().map(|place| node(place)).collect::<Result<_, _>>()?;
        let login = login(keys, &nodes[0])?;
        let certificates = certificates(keys)?;
        let timeout = Duration::from_secs(keys.redis_timeout_seconds.get().into());
        let names: Vec<String> = nodes.iter().map(|node| node.addr().to_string()).collect();
        let names = names.join(",");
        let (way, name) = match (&keys.redis_sentinel_master, keys.redis_cluster) {
            (Some(_), true) => {
                return Err(
                    "redis_cluster: a cluster has no sentinels; leave out redis_sentinel_master"
                        .to_owned(),
                );
            }
            (Some(master), false) => {
                let sentinels = Sentinels {
                    nodes,
                    master: master.clone(),
                    login,
                    certificates,
                    password: keys.redis_sentinel_password.clone(),
                };
                sentinels.client().map_err(|error| unusable(&error))?;
                let name = format!("master {master} of the sentinels {names}");
                (Way::Sentinel(Box::new(move || sentinels.client())), name)
            }
            (None, true) => (
                Way::Cluster(Box::new(cluster(nodes, &login, certificates, timeout)?)),
                format!("cluster {names}"),
            ),
            (None, false) => {
                let [node] = nodes.try_into().map_err(|_| "redis_interface: no server")?;
                (Way::Server(Box::new(server(node, login, certificates)?)), names)
            }
        };
        Ok(Self { way, timeout, name })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis {}", self.name)
    }
}

/// Reads one place. Its text may hold a password, so no error repeats it.
fn node(place: &str) -> Result<ConnectionInfo, String> {
    let url = if let Some(path) = place.strip_prefix("unix:").filter(|p| !p.starts_with("//")) {
        format!("unix://{path}")
    } else if place.starts_with('/') {
        format!("unix://{place}")
    } else if place.contains("://") {
        place.to_owned()
    } else if let Some(port) = place.strip_prefix(':') {
        // As Go's dialler reads an address without a host.
        format!("redis://127.0.0.1:{port}")
    } else {
        format!("redis://{place}")
    };
    let info = url.into_connection_info().map_err(|_| MALFORMED)?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err("redis_interface: #insecure would let anybody be the server; name its authority in redis_tls_ca_file".to_owned());
    }
    Ok(info)
}

const MALFORMED: &str =
    "redis_interface: neither host:port nor redis://host:port/database, rediss://... or unix:/path";

/// User, password and database: a key of its own goes before the URL.
fn login(keys: &RedisKeys, node: &ConnectionInfo) -> Result<RedisConnectionInfo, String> {
    let mut login =
        node.redis_settings().clone().set_lib_name("guerrillad", env!("CARGO_PKG_VERSION"));
    if let Some(user) = &keys.redis_username {
        login = login.set_username(user);
    }
    if let Some(password) = &keys.redis_password {
        login = login.set_password(password.reveal());
    }
    if let Some(database) = keys.redis_database {
        login = login.set_db(database.into());
    }
    if keys.redis_cluster && login.db() != 0 {
        return Err("redis_database: a cluster has number 0 only".to_owned());
    }
    Ok(login)
}

fn certificates(keys: &RedisKeys) -> Result<Option<TlsCertificates>, String> {
    let read = |key: &str, path: &Option<String>| {
        let read =
            path.as_ref().map(|path| fs::read(path).map_err(|e| format!("{key}: {path}: {e}")));
        read.transpose()
    };
    let root_cert = read("redis_tls_ca_file", &keys.redis_tls_ca_file)?;
    let cert = read("redis_tls_cert_file", &keys.redis_tls_cert_file)?;
    let key = read("redis_tls_key_file", &keys.redis_tls_key_file)?;
    let client_tls = match (cert, key) {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
        (None, None) => None,
        _ => {
            return Err(
                "redis_tls_cert_file and redis_tls_key_file: one needs the other".to_owned()
            );
        }
    };
    let wanted = root_cert.is_some() || client_tls.is_some();
    Ok(wanted.then_some(TlsCertificates { client_tls, root_cert }))
}

fn server(
    node: ConnectionInfo,
    login: RedisConnectionInfo,
    certificates: Option<TlsCertificates>,
) -> Result<Client, String> {
    let node = node.set_redis_settings(login);
    let client = match certificates {
        Some(certificates) if is_tls(&node) => Client::build_with_tls(node, certificates),
        Some(_) => return Err(NOT_TLS.to_owned()),
        None => Client::open(node),
    };
    client.map_err(|error| unusable(&error))
}

fn cluster(
    nodes: Vec<ConnectionInfo>,
    login: &RedisConnectionInfo,
    certificates: Option<TlsCertificates>,
    timeout: Duration,
) -> Result<ClusterClient, String> {
    if certificates.is_some() && !nodes.iter().all(is_tls) {
        return Err(NOT_TLS.to_owned());
    }
    let nodes = nodes.into_iter().map(|node| node.set_redis_settings(login.clone()));
    let mut builder = ClusterClientBuilder::new(nodes)
        .connection_timeout(timeout)
        .response_timeout(timeout)
        // Redirections are followed; what takes longer is tried again by the plugin, within the deadline of the mail.
        .retries(4);
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    builder.build().map_err(|error| unusable(&error))
}

/// What a client of the sentinels is made of. It keeps connections to sentinels, so it is made anew where a connection is made.
struct Sentinels {
    nodes: Vec<ConnectionInfo>,
    master: String,
    login: RedisConnectionInfo,
    certificates: Option<TlsCertificates>,
    password: Option<Secret>,
}

impl Sentinels {
    fn client(&self) -> Result<redis::sentinel::SentinelClient, redis::RedisError> {
        let addresses = self.nodes.iter().map(|node| node.addr().clone());
        let mut builder =
            SentinelClientBuilder::new(addresses, &self.master, SentinelServerType::Master)?
                .set_client_to_redis_db(self.login.db());
        if let Some(user) = self.login.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = self.login.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(password) = &self.password {
            builder = builder.set_client_to_sentinel_password(password.reveal());
        }
        // Sentinels that speak TLS watch servers that do.
        if self.nodes.iter().all(is_tls) {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
            if let Some(certificates) = &self.certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates.clone());
            }
        }
        builder.build()
    }
}

fn is_tls(node: &ConnectionInfo) -> bool {
    matches!(node.addr(), ConnectionAddr::TcpTls { .. })
}

const NOT_TLS: &str = "redis_tls_ca_file: the server is reached in the clear; write rediss://host:port in redis_interface";

fn unusable(error: &redis::RedisError) -> String {
    format!("redis_interface: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(mut config: serde_json::Value) -> Result<Target, String> {
        config["redis_expire_seconds"] = 1.into();
        Target::new(&crate::keys::read(config.as_object().unwrap())?)
    }

    fn server(config: serde_json::Value) -> ConnectionInfo {
        match target(config).unwrap().way {
            Way::Server(client) => client.get_connection_info().clone(),
            _ => panic!("one server"),
        }
    }

    #[test]
    fn places_are_read_as_go_guerrilla_and_as_urls() {
        for (place, expected) in [
            ("127.0.0.1:6379", "127.0.0.1:6379"),
            (":6380", "127.0.0.1:6380"),
            ("[::1]:6379", "::1:6379"),
            ("redis", "redis:6379"),
            ("redis://:pw@redis.test:1/5", "redis.test:1"),
            ("rediss://redis.test", "redis.test:6379"),
            ("unix:/run/redis.sock", "/run/redis.sock"),
            ("unix:///run/redis.sock?db=3", "/run/redis.sock"),
            ("/run/redis.sock", "/run/redis.sock"),
        ] {
            let info = server(json!({ "redis_interface": place }));
            assert_eq!(info.addr().to_string(), expected, "{place}");
        }
    }

    #[test]
    fn keys_go_before_the_url() {
        let place = "redis://u:p%40@h/5";
        let login = |info: ConnectionInfo| {
            let login = info.redis_settings().clone();
            (login.username().map(str::to_owned), login.password().map(str::to_owned), login.db())
        };
        let of =
            |user: &str, password: &str, db| (Some(user.to_owned()), Some(password.to_owned()), db);
        assert_eq!(login(server(json!({ "redis_interface": place }))), of("u", "p@", 5));
        let keys = json!({
            "redis_interface": place, "redis_username": "v", "redis_password": "q", "redis_database": 7
        });
        assert_eq!(login(server(keys)), of("v", "q", 7));
    }

    #[test]
    fn the_name_for_the_log_holds_no_password() {
        for config in [
            json!({ "redis_interface": "redis://user:4711@h/5" }),
            json!({ "redis_interface": "rediss://:4711@h:1,rediss://:4711@i:2", "redis_cluster": true }),
            json!({ "redis_interface": "redis://:4711@h:26379", "redis_sentinel_master": "m", "redis_sentinel_password": "4711" }),
            json!({ "redis_interface": "unix:/s?pass=4711" }),
        ] {
            let target = target(config).unwrap();
            assert!(!target.to_string().contains("4711"), "{target}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_an_error_without_a_password() {
        for (config, says) in [
            (json!({ "redis_interface": "http://:4711@h" }), "neither host:port"),
            (json!({ "redis_interface": "redis://:4711@h/x" }), "neither host:port"),
            (json!({ "redis_interface": "" }), "neither host:port"),
            (json!({ "redis_interface": "rediss://:4711@h/#insecure" }), "#insecure"),
            (json!({ "redis_interface": "h:1", "redis_tls_ca_file": "/dev/null" }), "in the clear"),
            (
                json!({ "redis_interface": "rediss://h", "redis_tls_ca_file": "/nowhere" }),
                "redis_tls_ca_file: /nowhere",
            ),
            (
                json!({ "redis_interface": "rediss://h", "redis_tls_cert_file": "/dev/null" }),
                "one needs the other",
            ),
            (
                json!({ "redis_interface": "h", "redis_cluster": true, "redis_sentinel_master": "m" }),
                "no sentinels",
            ),
            (
                json!({ "redis_interface": "h", "redis_cluster": true, "redis_database": 4711 }),
                "number 0 only",
            ),
            (json!({ "redis_interface": "unix:/s", "redis_cluster": true }), "redis_interface"),
        ] {
            let error = target(config.clone()).err().unwrap_or_else(|| panic!("{config}"));
            assert!(error.contains(says) && !error.contains("4711"), "{config}: {error}");
        }
    }
}
