//! The keys of the configuration, as written.

use serde::Deserialize;

/// What an operator writes for Wildcard.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// Patterns for the hosts of recipients, separated by commas. The first that matches decides: one that begins with ! refuses, any other accepts. A host that none matches is refused.
    pub wildcard_hosts: String,
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::derived_schema;

    use super::*;
    use crate::processor::CONFIG_SCHEMA;

    #[test]
    fn the_schema_is_that_of_the_configuration() {
        assert_eq!(derived_schema::<Config>(), CONFIG_SCHEMA, "copy it into config.schema.json");
    }
}
