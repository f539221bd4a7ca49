//! The keys of the configuration that are this processor's own; the others are `RedisKeys`.

use std::num::NonZeroU32;

use serde::Deserialize;

/// What an operator writes for Redis.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// Key of a Redis stream that gets an entry for each message stored. Without it there is none.
    #[serde(default)]
    pub redis_stream: Option<String>,
    /// Number of entries that the stream is cut to, roughly; consumers lose older ones. Without it the stream is never cut.
    #[serde(default)]
    pub redis_stream_max_length: Option<NonZeroU32>,
    /// Replicas that must have a message before it is acknowledged.
    #[serde(default)]
    pub redis_wait_replicas: u8,
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::derived_schema;
    use guerrilla_redis_client::RedisKeys;

    use crate::processor::CONFIG_SCHEMA;

    /// What an operator writes for Redis.
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
