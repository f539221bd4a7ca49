//! The processor as the daemon sees it.

use guerrilla_plugin_api::{Batch, BatchPlugin, Host};
use guerrilla_redis_client::{RedisKeys, RedisPool, Trouble, read};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::database;
use crate::store::Store;
use crate::table::Table;

/// Stores messages in Redis and rows in MySQL.
pub struct GuerrillaRedisDb {
    host: Host,
    store: Store,
    connections: usize,
    batch: usize,
}

impl BatchPlugin for GuerrillaRedisDb {
    const NAME: &'static str = "GuerrillaRedisDB";
    const ALIASES: &'static [&'static str] = &["GuerrillaDbRedis"];
    const DESCRIPTION: &'static str =
        "stores messages in Redis and a row for each recipient in MySQL";
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    /// Read in two parts, each with errors that name the key.
    type Config = Map<String, Value>;

    fn create(host: Host, config: Map<String, Value>) -> Result<Self, String> {
        let keys: RedisKeys = read(&config)?;
        let own: Config = read(&config)?;
        let table = Table::new(database::options(&own)?, database::table(&own.mail_table)?);
        let connections = keys.redis_connections.get().into();
        let batch = keys.redis_batch.get().into();
        let store = Store::new(host, own, RedisPool::new(&keys)?, table);
        Ok(Self { host, store, connections, batch })
    }

    /// Servers that are away are waited for; one that answers and refuses us is a mistake in the configuration.
    fn start(&self) -> Result<(), String> {
        let (redis, table) = (self.store.redis(), self.store.table());
        for (place, probe) in
            [(redis.to_string(), redis.probe()), (table.to_string(), table.probe())]
        {
            match probe {
                Ok(()) => {}
                Err(Trouble::Passing(why)) => self.host.error(format_args!("{place}: {why}")),
                Err(refused) => return Err(format!("{place}: {refused}")),
            }
        }
        Ok(())
    }

    fn max_batch(&self) -> usize {
        self.batch
    }

    fn writers(&self) -> usize {
        self.connections
    }

    fn save_batch(&self, batch: Batch) {
        self.store.save(batch);
    }

    fn stop(&self) {
        self.store.redis().close();
        self.store.table().close();
    }
}

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
