//! The keys of the configuration.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU16;
use std::time::Duration;

use guerrilla_plugin_api::Secret;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Url};
use serde::Deserialize;

/// What an operator writes for the webhook.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// Where messages are posted to: https://host/path or http://host/path.
    pub webhook_url: Secret,
    /// What is posted: the message as it is with the envelope in the header, or both as JSON.
    #[serde(default)]
    pub webhook_format: Format,
    /// Key of the signature; without it nothing is signed. One that begins with whsec_ is base64.
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
    /// Value of the header field Authorization, such as "Bearer ...".
    #[serde(default)]
    pub webhook_authorization: Option<Secret>,
    /// What the client hears for a status of the endpoint: "422" or a class like "4xx", and a reply like "550 5.1.1 No such user".
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("propertyNames" = {"pattern": "^([345][0-9][0-9]|[345]xx)$"})))]
    pub webhook_replies: BTreeMap<String, String>,
    /// PEM file with the authorities that the endpoint's certificate is verified against; without it the system's.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub webhook_tls_ca_file: Option<String>,
    /// PEM file with a client certificate.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub webhook_tls_cert_file: Option<String>,
    /// PEM file with the private key of the client certificate.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub webhook_tls_key_file: Option<String>,
    /// Seconds that one attempt may take.
    #[serde(default = "ten")]
    pub webhook_timeout_seconds: NonZeroU16,
    /// Most requests at a time; other messages wait for their turn.
    #[serde(default = "sixteen")]
    pub webhook_in_flight: NonZeroU16,
}

/// What is posted.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `message/rfc822`: the message as it is, the envelope in the header.
    #[default]
    Raw,
    /// `application/json`: the envelope, and the message in base64.
    Json,
}

impl Config {
    /// The endpoint.
    ///
    /// # Errors
    /// One line that names the key and never repeats the URL, which may hold a secret.
    pub(crate) fn url(&self) -> Result<Url, String> {
        let url =
            Url::parse(self.webhook_url.reveal()).map_err(|why| format!("webhook_url: {why}"))?;
        match url.scheme() {
            "https" => Ok(url),
            "http"
                if self.webhook_tls_ca_file.is_none() && self.webhook_tls_cert_file.is_none() =>
            {
                Ok(url)
            }
            "http" => {
                Err("webhook_url: certificates are named, but http is in the clear; write https"
                    .to_owned())
            }
            _ => Err("webhook_url: write https://host/path or http://host/path".to_owned()),
        }
    }

    /// A client with a pool of connections.
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    pub(crate) fn client(&self) -> Result<Client, String> {
        let mut builder = Client::builder()
            .user_agent("guerrillad")
            .redirect(Policy::none())
            // Mail goes where the configuration says, whatever the environment has for others.
            .no_proxy()
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(30))
            .connect_timeout(Duration::from_secs(5));
        if let Some(file) = &self.webhook_tls_ca_file {
            let authorities = Certificate::from_pem_bundle(&read("webhook_tls_ca_file", file)?);
            let authorities = authorities.ok().filter(|list| !list.is_empty());
            let Some(authorities) = authorities else {
                return Err(format!("webhook_tls_ca_file: {file}: no certificate in PEM"));
            };
            builder = builder.tls_certs_only(authorities);
        }
        match (&self.webhook_tls_cert_file, &self.webhook_tls_key_file) {
            (Some(file), Some(key)) => {
                let mut both = read("webhook_tls_cert_file", file)?;
                both.push(b'\n');
                both.extend(read("webhook_tls_key_file", key)?);
                let identity = Identity::from_pem(&both).map_err(|_| {
                    format!(
                        "webhook_tls_cert_file: {file} and {key} are no certificate with its key"
                    )
                })?;
                builder = builder.identity(identity);
            }
            (None, None) => {}
            _ => {
                return Err(
                    "webhook_tls_cert_file: set webhook_tls_key_file with it; one needs the other"
                        .to_owned(),
                );
            }
        }
        builder
            .build()
            .map_err(|why| format!("webhook_tls_cert_file, webhook_tls_ca_file: {why:?}"))
    }
}

fn read(key: &str, file: &str) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{key}: {file}: {error}"))
}

const fn ten() -> NonZeroU16 {
    const { NonZeroU16::new(10).unwrap() }
}

const fn sixteen() -> NonZeroU16 {
    const { NonZeroU16::new(16).unwrap() }
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::derived_schema;
    use serde_json::{Value, json};

    use super::*;
    use crate::processor::CONFIG_SCHEMA;

    fn fault(more: Value) -> String {
        let mut config = json!({ "webhook_url": "https://hook.test/4711" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config: Config = serde_json::from_value(config).unwrap();
        config.url().and_then(|_| config.client()).err().unwrap_or_default()
    }

    #[test]
    fn the_schema_is_that_of_the_configuration() {
        assert_eq!(derived_schema::<Config>(), CONFIG_SCHEMA, "copy it into config.schema.json");
    }

    #[test]
    fn what_cannot_be_meant_is_an_error_without_a_secret() {
        for (config, says) in [
            (json!({ "webhook_url": "4711" }), "webhook_url: relative URL"),
            (json!({ "webhook_url": "ftp://u:4711@h/" }), "webhook_url: write https"),
            (
                json!({ "webhook_url": "http://h/4711", "webhook_tls_ca_file": "/dev/null" }),
                "in the clear",
            ),
            (json!({ "webhook_tls_ca_file": "/nowhere" }), "webhook_tls_ca_file: /nowhere"),
            (json!({ "webhook_tls_ca_file": "/dev/null" }), "no certificate"),
            (json!({ "webhook_tls_cert_file": "/dev/null" }), "one needs the other"),
            (
                json!({ "webhook_tls_cert_file": "/dev/null", "webhook_tls_key_file": "/dev/null" }),
                "no certificate with its key",
            ),
        ] {
            let error = fault(config.clone());
            assert!(error.contains(says) && !error.contains("4711"), "{config}: {error:?}");
        }
        assert_eq!(fault(json!({})), "");
    }
}
