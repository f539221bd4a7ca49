//! The keys of the configuration.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::{env, fmt, fs};

use guerrilla_stream_pool::Address;
use serde::Deserialize;

/// What an operator writes for FastCGI.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("anyOf" = [
    {"required": ["fcgi_script_filename_save"]},
    {"required": ["fcgi_script_filename_validate"]}
])))]
pub struct Config {
    /// Path of the script that stores messages, as the FastCGI server sees it. (go-guerrilla: fcgi_script_filename_save)
    #[serde(default)]
    pub fcgi_script_filename_save: String,
    /// Path of the script that checks recipients, as the FastCGI server sees it. (go-guerrilla: fcgi_script_filename_validate)
    #[serde(default)]
    pub fcgi_script_filename_validate: String,
    /// How the FastCGI server is reached. (go-guerrilla: fcgi_connection_type)
    pub fcgi_connection_type: ConnectionType,
    /// Path of its socket, or host:port. (go-guerrilla: fcgi_connection_address)
    pub fcgi_connection_address: String,
    /// How the fields of a message are written.
    #[serde(default)]
    pub fcgi_body_format: BodyFormat,
    /// Most connections at a time; each carries one request.
    #[serde(default = "eight")]
    pub fcgi_connections: NonZeroU16,
    /// Seconds that a connection without a request is kept open. 0 makes a new one for each request, as go-guerrilla did.
    #[serde(default = "five")]
    pub fcgi_keep_alive_seconds: u16,
    /// More parameters for the scripts, by name: a text, {"file": "/path"} or {"env": "NAME"}.
    #[serde(default)]
    pub fcgi_params: BTreeMap<String, Parameter>,
}

/// How the FastCGI server is reached.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ConnectionType {
    /// By a Unix socket.
    Unix,
    /// By TCP.
    Tcp,
}

/// How the fields of a message are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`, as in go-guerrilla: up to three octets for one.
    #[default]
    Urlencoded,
    /// `multipart/form-data`: octets as they are.
    Multipart,
}

/// A parameter's value, or where it is to be read from: it may be a secret.
#[derive(Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Parameter {
    /// The value.
    Text(String),
    /// Where it is.
    Elsewhere(Place),
}

/// Where a value is read from when the processor is made.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A file; the last line end does not count.
    File(String),
    /// An environment variable.
    Env(String),
}

impl Config {
    /// Where the FastCGI server is.
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    pub(crate) fn address(&self) -> Result<Address, String> {
        let address = self.fcgi_connection_address.clone();
        match self.fcgi_connection_type {
            ConnectionType::Unix if address.is_empty() => {
                Err("fcgi_connection_address: empty; write the path of the socket".to_owned())
            }
            ConnectionType::Unix => Ok(Address::Unix(address.into())),
            ConnectionType::Tcp => {
                let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                match port {
                    Some(Ok(1..)) => Ok(Address::Tcp(address)),
                    _ => Err(format!(
                        "fcgi_connection_address: {address:?} has no port; write it like 127.0.0.1:9000"
                    )),
                }
            }
        }
    }

    /// The operator's own parameters.
    ///
    /// # Errors
    /// One line that names the parameter and never its value.
    pub(crate) fn parameters(&self) -> Result<Vec<(String, String)>, String> {
        let read = |(name, parameter): (&String, &Parameter)| {
            let value = parameter.read().map_err(|why| format!("fcgi_params.{name}: {why}"))?;
            Ok((name.clone(), value))
        };
        self.fcgi_params.iter().map(read).collect()
    }
}

impl Parameter {
    fn read(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Elsewhere(Place::File(file)) => {
                let text = fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
            Self::Elsewhere(Place::Env(name)) => env::var(name).map_err(|e| match e {
                env::VarError::NotPresent => format!("environment variable {name} is not set"),
                // Its own message repeats the value.
                env::VarError::NotUnicode(_) => format!("environment variable {name} is not UTF-8"),
            }),
        }
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("(not shown)"),
            Self::Elsewhere(place) => place.fmt(f),
        }
    }
}

fn eight() -> NonZeroU16 {
    const { NonZeroU16::new(8).unwrap() }
}

fn five() -> u16 {
    5
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::derived_schema;
    use serde_json::json;

    use super::*;
    use crate::processor::CONFIG_SCHEMA;

    fn config(address: &str, kind: &str, params: serde_json::Value) -> Config {
        serde_json::from_value(json!({
            "fcgi_connection_type": kind,
            "fcgi_connection_address": address,
            "fcgi_params": params,
        }))
        .unwrap()
    }

    #[test]
    fn the_schema_is_that_of_the_configuration() {
        assert_eq!(derived_schema::<Config>(), CONFIG_SCHEMA, "copy it into config.schema.json");
    }

    #[test]
    fn addresses_are_checked() {
        for fine in ["127.0.0.1:9000", "[::1]:9000", "php.example:1"] {
            assert!(config(fine, "tcp", json!({})).address().is_ok(), "{fine}");
        }
        for wrong in ["", "localhost", "localhost:", "localhost:0", "localhost:99999"] {
            let error = config(wrong, "tcp", json!({})).address().unwrap_err();
            assert!(error.starts_with("fcgi_connection_address: "), "{error}");
        }
        assert!(config("", "unix", json!({})).address().is_err());
    }

    #[test]
    fn parameters_come_from_files_and_the_environment() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "s3cret\r\n").unwrap();
        let params =
            json!({"A": "text", "B": {"file": file.path()}, "C": {"env": "CARGO_PKG_NAME"}});
        let config = config("x", "unix", params);
        let values: Vec<String> =
            config.parameters().unwrap().into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["text", "s3cret", "guerrilla-fastcgi"]);
        assert!(!format!("{config:?}").contains("text"));
    }

    #[test]
    fn a_parameter_that_cannot_be_read_is_named() {
        let missing = config("x", "unix", json!({"TOKEN": {"file": "/nonexistent/token"}}));
        let error = missing.parameters().unwrap_err();
        assert!(error.starts_with("fcgi_params.TOKEN: /nonexistent/token: "), "{error}");
        let unset = config("x", "unix", json!({"TOKEN": {"env": "GUERRILLA_FCGI_UNSET"}}));
        assert_eq!(
            unset.parameters().unwrap_err(),
            "fcgi_params.TOKEN: environment variable GUERRILLA_FCGI_UNSET is not set"
        );
    }
}
