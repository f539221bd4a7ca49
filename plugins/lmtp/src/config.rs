//! The keys of the configuration.

use std::num::NonZeroU16;

use guerrilla_stream_pool::Address;
use serde::Deserialize;

/// What an operator writes for LMTP.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// Where the store is: unix:/path, or host:port.
    pub lmtp_address: String,
    /// Most connections at a time; each carries one message.
    #[serde(default = "eight")]
    pub lmtp_connections: NonZeroU16,
    /// Seconds that a connection without a message is kept open.
    #[serde(default = "ten")]
    pub lmtp_keep_alive_seconds: u16,
}

impl Config {
    /// Where the store is.
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    pub(crate) fn address(&self) -> Result<Address, String> {
        let text = &self.lmtp_address;
        let wrong = || {
            format!(
                "lmtp_address: {text:?}; write unix:/path/of/socket or host:port, like 127.0.0.1:24"
            )
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Address::Unix(path.into()))
            } else {
                Err(wrong())
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        match port.parse::<u16>() {
            Ok(1..) if !host.is_empty() && !host.contains('/') => Ok(Address::Tcp(text.clone())),
            _ => Err(wrong()),
        }
    }
}

const fn eight() -> NonZeroU16 {
    const { NonZeroU16::new(8).unwrap() }
}

const fn ten() -> u16 {
    10
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::derived_schema;

    use super::*;
    use crate::processor::CONFIG_SCHEMA;

    fn address(text: &str) -> Result<Address, String> {
        let config = serde_json::json!({ "lmtp_address": text });
        serde_json::from_value::<Config>(config).unwrap().address()
    }

    #[test]
    fn the_schema_is_that_of_the_configuration() {
        assert_eq!(derived_schema::<Config>(), CONFIG_SCHEMA, "copy it into config.schema.json");
    }

    #[test]
    fn addresses_are_checked() {
        for fine in ["unix:/run/dovecot/lmtp", "127.0.0.1:24", "[::1]:24", "store.test:24"] {
            assert!(address(fine).is_ok(), "{fine}");
        }
        for wrong in
            ["", "unix:lmtp", "/run/lmtp", "localhost", "localhost:0", ":24", "a:b", "unix:"]
        {
            let error = address(wrong).err().unwrap_or_default();
            assert!(error.starts_with("lmtp_address: "), "{wrong}: {error}");
        }
    }
}
