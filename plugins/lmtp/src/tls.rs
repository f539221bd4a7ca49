//! TLS to the store: who must have vouched for it, and what it is shown of us.

use std::io;
use std::path::Path;
use std::sync::Arc;

use guerrilla_stream_pool::{Address, Stream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::{Config, TlsMode};

/// How connections are encrypted.
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    is_implicit: bool,
}

impl Tls {
    /// `None` where nothing is to be encrypted.
    ///
    /// # Errors
    /// One line that names the key, what is wrong with it and what would be right.
    pub(crate) fn new(config: &Config, address: &Address) -> Result<Option<Self>, String> {
        if config.lmtp_tls == TlsMode::Off {
            return match set_in_vain(config) {
                Some(key) => Err(format!(
                    "{key}: nothing is encrypted; set lmtp_tls to starttls or implicit"
                )),
                None => Ok(None),
            };
        }
        let name = server_name(config, address)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("lmtp_tls: {error}"))?
            .with_root_certificates(authorities(config.lmtp_tls_ca_file.as_deref())?);
        let client = match (&config.lmtp_tls_cert_file, &config.lmtp_tls_key_file) {
            (Some(cert), Some(key)) => {
                let chain = certificates("lmtp_tls_cert_file", cert)?;
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| format!("lmtp_tls_key_file: {}: {error}", key.display()))?;
                builder.with_client_auth_cert(chain, private).map_err(|error| {
                    format!("lmtp_tls_cert_file, lmtp_tls_key_file: not a certificate with its key: {error}")
                })?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => {
                return Err(
                    "lmtp_tls_cert_file: set lmtp_tls_key_file with it; one needs the other"
                        .to_owned(),
                );
            }
        };
        let is_implicit = config.lmtp_tls == TlsMode::Implicit;
        Ok(Some(Self { connector: Arc::new(client).into(), name, is_implicit }))
    }

    /// Whether the connection begins with it.
    pub(crate) fn is_implicit(&self) -> bool {
        self.is_implicit
    }

    /// Encrypts from here on, with a store that has proved who it is.
    pub(crate) async fn over(&self, io: Box<dyn Stream>) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.connector.connect(self.name.clone(), io).await?))
    }
}

/// The first key that means nothing without TLS: whoever sets it believes to have some.
fn set_in_vain(config: &Config) -> Option<&'static str> {
    [
        ("lmtp_tls_ca_file", config.lmtp_tls_ca_file.is_some()),
        ("lmtp_tls_cert_file", config.lmtp_tls_cert_file.is_some()),
        ("lmtp_tls_key_file", config.lmtp_tls_key_file.is_some()),
        ("lmtp_tls_server_name", config.lmtp_tls_server_name.is_some()),
    ]
    .into_iter()
    .find_map(|(key, is_set)| is_set.then_some(key))
}

fn server_name(config: &Config, address: &Address) -> Result<ServerName<'static>, String> {
    let name = match (&config.lmtp_tls_server_name, address) {
        (Some(name), _) => name.as_str(),
        (None, Address::Tcp(place)) => {
            let host = place.rsplit_once(':').map_or(place.as_str(), |(host, _)| host);
            host.trim_start_matches('[').trim_end_matches(']')
        }
        (None, Address::Unix(_)) => {
            return Err(
                "lmtp_tls_server_name: a socket has no name that its certificate could have; set it"
                    .to_owned(),
            );
        }
    };
    ServerName::try_from(name.to_owned()).map_err(|_| {
        format!("lmtp_tls_server_name: {name:?} is neither a host name nor an address")
    })
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in certificates("lmtp_tls_ca_file", file)? {
                store
                    .add(certificate)
                    .map_err(|error| format!("lmtp_tls_ca_file: {}: {error}", file.display()))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err("lmtp_tls_ca_file: the system knows no authorities; name a file".to_owned());
    }
    Ok(store)
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{key}: {}: {error}", file.display());
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
    let all: Result<Vec<_>, _> = read.collect();
    let all = all.map_err(|error| wrong(&error))?;
    if all.is_empty() { Err(wrong(&"no certificate in PEM")) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fault(more: Value) -> String {
        let mut config = json!({ "lmtp_address": "127.0.0.1:24" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config: Config = serde_json::from_value(config).unwrap();
        let made = config.address().and_then(|address| Tls::new(&config, &address));
        made.err().unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        for (config, says) in [
            (json!({ "lmtp_tls_ca_file": "/dev/null" }), "lmtp_tls_ca_file: nothing is encrypted"),
            (json!({ "lmtp_tls_server_name": "a" }), "lmtp_tls_server_name: nothing is encrypted"),
            (json!({ "lmtp_tls": "starttls", "lmtp_tls_ca_file": "/nowhere" }), "/nowhere"),
            (
                json!({ "lmtp_tls": "starttls", "lmtp_tls_ca_file": "/dev/null" }),
                "no certificate in PEM",
            ),
            (
                json!({ "lmtp_tls": "implicit", "lmtp_tls_cert_file": "/dev/null" }),
                "one needs the other",
            ),
            (
                json!({ "lmtp_tls": "implicit", "lmtp_address": "unix:/run/lmtp" }),
                "lmtp_tls_server_name: a socket",
            ),
            (
                json!({ "lmtp_tls": "implicit", "lmtp_tls_server_name": "a b" }),
                "neither a host name nor an address",
            ),
        ] {
            let error = fault(config.clone());
            assert!(error.starts_with("lmtp_tls_") && error.contains(says), "{config}: {error:?}");
        }
        assert_eq!(fault(json!({})), "");
    }
}
