//! The keys of the configuration.

use std::num::NonZeroU16;
use std::path::PathBuf;

use guerrilla_stream_pool::Address;
use serde::Deserialize;

/// What an operator writes for LMTP.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// Where the store is: unix:/path, or host:port.
    pub lmtp_address: String,
    /// How the connection is encrypted: off, starttls (on the ordinary port) or implicit (from the first octet on).
    #[serde(default)]
    pub lmtp_tls: TlsMode,
    /// PEM file with the authorities that the store's certificate is verified against; without it the system's.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub lmtp_tls_ca_file: Option<PathBuf>,
    /// PEM file with a client certificate.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub lmtp_tls_cert_file: Option<PathBuf>,
    /// PEM file with the private key of the client certificate.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub lmtp_tls_key_file: Option<PathBuf>,
    /// Name that the store's certificate must have; without it the host of lmtp_address.
    #[serde(default)]
    pub lmtp_tls_server_name: Option<String>,
    /// Most connections at a time; each carries one message.
    #[serde(default = "eight")]
    pub lmtp_connections: NonZeroU16,
    /// Seconds that a connection without a message is kept open.
    #[serde(default = "ten")]
    pub lmtp_keep_alive_seconds: u16,
}

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Not at all.
    #[default]
    Off,
    /// STARTTLS behind the greeting (RFC 3207). A store that does not offer it gets nothing.
    StartTls,
    /// TLS before anything is said.
    Implicit,
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
