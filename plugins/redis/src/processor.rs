//! The processor as the daemon sees it.

use std::time::Duration;

use guerrilla_plugin_api::{Backlog, Batch, BatchPlugin, Host};
use guerrilla_redis_client::{RedisKeys, RedisPool, Trouble, read};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::store::Store;

/// Stores messages in Redis.
pub struct Redis {
    host: Host,
    store: Store,
    connections: usize,
    batch: usize,
}

impl BatchPlugin for Redis {
    const NAME: &'static str = "Redis";
    const DESCRIPTION: &'static str = "stores messages in Redis under their hash";
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    /// Read in two parts, each with errors that name the key.
    type Config = Map<String, Value>;

    fn create(host: Host, config: Map<String, Value>) -> Result<Self, String> {
        let keys: RedisKeys = read(&config)?;
        let own: Config = read(&config)?;
        if own.redis_wait_replicas > 0 && keys.redis_cluster {
            return Err(
                "redis_wait_replicas: each node of a cluster has replicas of its own; leave it out"
                    .to_owned(),
            );
        }
        let connections = keys.redis_connections.get().into();
        let batch = keys.redis_batch.get().into();
        let store = Store::new(host, own, RedisPool::new(&keys)?);
        Ok(Self { host, store, connections, batch })
    }

    /// A server that is away is waited for: which of the two starts first does not matter. One that answers and refuses us is a
    /// mistake in the configuration.
    fn start(&self) -> Result<(), String> {
        let pool = self.store.pool();
        match pool.probe() {
            Ok(()) => Ok(()),
            Err(Trouble::Passing(why)) => {
                self.host.error(format_args!("{pool}: {why}; mail is deferred until it is there"));
                Ok(())
            }
            Err(refused) => Err(format!("{pool}: {refused}")),
        }
    }

    fn max_batch(&self) -> usize {
        self.batch
    }

    fn writers(&self) -> usize {
        self.connections
    }

    /// A message more costs Redis next to nothing, a batch more a way there and back: by two connections that shared what came, 10 KB
    /// each, a message cost up to 8 % more of all processors than by one (`bench/NOTES.md`).
    fn backlog(&self) -> Backlog {
        Backlog { messages: 32, time: Duration::from_millis(5) }
    }

    fn save_batch(&self, batch: Batch) {
        self.store.save(batch);
    }

    fn stop(&self) {
        self.store.pool().close();
    }
}

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
