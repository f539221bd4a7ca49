//! The keys of the configuration.

use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::path::Path;

use guerrilla_plugin_api::Secret;
use serde::Deserialize;

/// What an operator writes for NATS.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// Where the servers are: nats://host:port or tls://host:port, several separated by commas. One that answers names the others of its cluster.
    pub nats_url: String,
    /// Subject that messages are published to; a stream must take it.
    #[serde(default = "mail")]
    pub nats_subject: String,
    /// Name of that stream. A message that another stream would take is not stored then.
    #[serde(default)]
    pub nats_stream: Option<String>,
    /// Bucket of the object store that takes large messages.
    #[serde(default)]
    pub nats_bucket: Option<String>,
    /// Octets above which a message goes into the bucket. A message that the servers do not take in one piece (max_payload) goes there in any case.
    #[serde(default = "quarter_mebibyte")]
    pub nats_object_above: NonZeroU32,
    /// Makes stream and bucket if they are missing, on disk, with so many replicas: 1 to 5.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(min = 1, max = 5)))]
    pub nats_create_replicas: Option<NonZeroU8>,
    /// User, where the servers want one.
    #[serde(default)]
    pub nats_user: Option<String>,
    /// Password of the user.
    #[serde(default)]
    pub nats_password: Option<Secret>,
    /// Token, where the servers want one.
    #[serde(default)]
    pub nats_token: Option<Secret>,
    /// Seed of an nkey (SU...), where the servers want one.
    #[serde(default)]
    pub nats_nkey_seed: Option<Secret>,
    /// Content of a credentials file (JWT and seed), where the servers want one.
    #[serde(default)]
    pub nats_credentials: Option<Secret>,
    /// PEM file with the authorities that the servers' certificates are verified against; without it the system's.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub nats_tls_ca_file: Option<String>,
    /// PEM file with a client certificate.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub nats_tls_cert_file: Option<String>,
    /// PEM file with the private key of the client certificate.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("format" = "file")))]
    pub nats_tls_key_file: Option<String>,
    /// Seconds after which an answer is not waited for any more and the message is published again.
    #[serde(default = "five")]
    pub nats_timeout_seconds: NonZeroU16,
    /// Most messages that are under way at a time; others wait for their turn.
    #[serde(default = "many")]
    pub nats_in_flight: NonZeroU16,
}

impl Config {
    /// What the schema cannot say.
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right, and never a secret.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.nats_url.split(',').any(|url| url.trim().is_empty()) {
            return Err("nats_url: a server has no address; write nats://host:port".to_owned());
        }
        if self.nats_url.contains('@') {
            return Err(
                "nats_url: a login belongs into nats_user and nats_password, or nats_token"
                    .to_owned(),
            );
        }
        let subject = &self.nats_subject;
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '*' || c == '>';
        if subject.split('.').any(str::is_empty) || subject.contains(odd) {
            return Err(format!(
                "nats_subject: {subject:?} is not one subject; write words with dots between, like mail.in"
            ));
        }
        for (key, name) in [("nats_stream", &self.nats_stream), ("nats_bucket", &self.nats_bucket)]
        {
            let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.as_ref().is_some_and(|name| name.is_empty() || !name.chars().all(is_fine)) {
                return Err(format!("{key}: write letters, digits, - and _ only"));
            }
        }
        if self.nats_create_replicas.is_some() && self.nats_stream.is_none() {
            return Err("nats_create_replicas: the stream has no name; set nats_stream".to_owned());
        }
        self.check_login()?;
        let files = [
            ("nats_tls_ca_file", &self.nats_tls_ca_file),
            ("nats_tls_cert_file", &self.nats_tls_cert_file),
            ("nats_tls_key_file", &self.nats_tls_key_file),
        ];
        for (key, path) in files.iter().filter_map(|(key, path)| Some((key, path.as_ref()?))) {
            std::fs::File::open(Path::new(path))
                .map_err(|error| format!("{key}: {path}: {error}"))?;
        }
        if self.nats_tls_cert_file.is_some() != self.nats_tls_key_file.is_some() {
            return Err(
                "nats_tls_cert_file: set nats_tls_key_file with it; one needs the other".to_owned()
            );
        }
        Ok(())
    }

    fn check_login(&self) -> Result<(), String> {
        let ways = [
            self.nats_user.is_some(),
            self.nats_token.is_some(),
            self.nats_nkey_seed.is_some(),
            self.nats_credentials.is_some(),
        ];
        if ways.into_iter().filter(|given| *given).count() > 1 {
            return Err(
                "nats_user: set one of nats_user, nats_token, nats_nkey_seed and nats_credentials"
                    .to_owned(),
            );
        }
        if self.nats_user.is_some() != self.nats_password.is_some() {
            return Err("nats_user: set nats_password with it; one needs the other".to_owned());
        }
        Ok(())
    }
}

fn mail() -> String {
    "mail".to_owned()
}

const fn quarter_mebibyte() -> NonZeroU32 {
    const { NonZeroU32::new(256 * 1024).unwrap() }
}

const fn five() -> NonZeroU16 {
    const { NonZeroU16::new(5).unwrap() }
}

const fn many() -> NonZeroU16 {
    const { NonZeroU16::new(256).unwrap() }
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::derived_schema;
    use serde_json::{Value, json};

    use super::*;
    use crate::processor::CONFIG_SCHEMA;

    fn fault(more: Value) -> String {
        let mut config = json!({ "nats_url": "nats://127.0.0.1:4222" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value::<Config>(config).unwrap().check().err().unwrap_or_default()
    }

    #[test]
    fn the_schema_is_that_of_the_configuration() {
        assert_eq!(derived_schema::<Config>(), CONFIG_SCHEMA, "copy it into config.schema.json");
    }

    #[test]
    fn what_cannot_be_meant_is_an_error_without_a_secret() {
        for (config, says) in [
            (json!({ "nats_url": "nats://a:4222,," }), "nats_url: a server has no address"),
            (json!({ "nats_url": "nats://u:4711@a:4222" }), "belongs into nats_user"),
            (json!({ "nats_subject": "mail.*" }), "nats_subject: \"mail.*\""),
            (json!({ "nats_subject": "mail..in" }), "nats_subject:"),
            (json!({ "nats_subject": "" }), "nats_subject:"),
            (json!({ "nats_stream": "a b" }), "nats_stream: write letters"),
            (json!({ "nats_bucket": "" }), "nats_bucket: write letters"),
            (json!({ "nats_create_replicas": 1 }), "set nats_stream"),
            (json!({ "nats_user": "u" }), "set nats_password"),
            (json!({ "nats_password": "4711" }), "set nats_password"),
            (json!({ "nats_token": "4711", "nats_credentials": "4711" }), "set one of"),
            (json!({ "nats_tls_ca_file": "/nowhere" }), "nats_tls_ca_file: /nowhere: No such file"),
            (json!({ "nats_tls_cert_file": "/dev/null" }), "set nats_tls_key_file"),
        ] {
            let error = fault(config.clone());
            assert!(error.contains(says) && !error.contains("4711"), "{config}: {error:?}");
        }
        assert_eq!(fault(json!({ "nats_subject": "mail.in", "nats_stream": "MAIL" })), "");
    }
}
