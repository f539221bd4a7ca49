//! The connection to the cluster: how it is made, and how it comes and goes.
//!
//! The library makes a lost connection again by itself, with the next server that it knows. What was asked on the old one is never
//! answered, so those who wait for an answer are told when it goes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::rustls::crypto::aws_lc_rs;
use async_nats::{Client, ClientError, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use guerrilla_plugin_api::Host;
use tokio::sync::watch;

use crate::config::Config;

/// The connection, once it was begun.
pub(crate) struct Link {
    host: Host,
    /// For the log: the servers as configured, which have no login in front.
    place: Arc<str>,
    client: OnceLock<Client>,
    /// Changes with every loss.
    losses: Arc<watch::Sender<u64>>,
}

impl Link {
    pub(crate) fn new(host: Host, servers: &str) -> Self {
        let place = format!("NATS {servers}").into();
        Self { host, place, client: OnceLock::new(), losses: Arc::new(watch::Sender::new(0)) }
    }

    /// What lines of the log begin with.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Connects. Servers that are away are waited for behind the caller's back: which of the two starts first does not matter.
    ///
    /// # Errors
    /// When the servers answer and refuse us: that is a mistake in the configuration.
    pub(crate) async fn begin(&self, config: &Config) -> Result<(), String> {
        // There is one already when another instance of this file was first.
        let _ = aws_lc_rs::default_provider().install_default();
        let servers: Vec<&str> = config.nats_url.split(',').map(str::trim).collect();
        let patience = Duration::from_secs(2);
        let options = self.options(config)?.connection_timeout(patience);
        let connecting = tokio::time::timeout(patience * 2, options.connect(servers.clone())).await;
        let why = match connecting {
            Ok(Ok(client)) => {
                let _ = self.client.set(client);
                return Ok(());
            }
            Ok(Err(error)) if is_mistake(&error) => {
                return Err(format!("{}: {}", self.place, one_line(&error)));
            }
            Ok(Err(error)) => one_line(&error),
            Err(_) => "no answer".to_owned(),
        };
        let place = &self.place;
        self.host.error(format_args!("{place}: {why}; mail is deferred until it is there"));
        let options = self.options(config)?.retry_on_initial_connect();
        let client = options
            .connect(servers)
            .await
            .map_err(|error| format!("{}: {}", self.place, one_line(&error)))?;
        let _ = self.client.set(client);
        Ok(())
    }

    /// The client, while it is connected.
    pub(crate) fn client(&self) -> Option<&Client> {
        self.client.get().filter(|client| client.connection_state() == State::Connected)
    }

    /// To learn of the next loss.
    pub(crate) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// Sends what is left to send and closes it.
    pub(crate) async fn end(&self) {
        if let Some(client) = self.client() {
            // There is nothing to be done about one that is lost now.
            let _ = client.drain().await;
        }
    }

    fn options(&self, config: &Config) -> Result<ConnectOptions, String> {
        let (host, place) = (self.host, Arc::clone(&self.place));
        let losses = Arc::clone(&self.losses);
        // Why the last attempt to connect has failed.
        let failure = Mutex::new(String::new());
        let mut options = ConnectOptions::new()
            .name("guerrillad")
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(pause)
            .max_reconnects(None)
            .event_callback(move |event| {
                heard(host, &place, &losses, &failure, &event);
                async {}
            });
        if let (Some(user), Some(password)) = (&config.nats_user, &config.nats_password) {
            options = options.user_and_password(user.clone(), password.reveal().to_owned());
        }
        if let Some(token) = &config.nats_token {
            options = options.token(token.reveal().to_owned());
        }
        if let Some(seed) = &config.nats_nkey_seed {
            options = options.nkey(seed.reveal().trim().to_owned());
        }
        if let Some(credentials) = &config.nats_credentials {
            let refused = "nats_credentials: not a credentials file; write its whole content, or {\"file\": \"/path\"}";
            // A value from a file has lost its last line end, which the library wants.
            let credentials = format!("{}\n", credentials.reveal());
            options = options.credentials(&credentials).map_err(|_| refused.to_owned())?;
        }
        if let Some(file) = &config.nats_tls_ca_file {
            options = options.add_root_certificates(file.into());
        }
        if let (Some(file), Some(key)) = (&config.nats_tls_cert_file, &config.nats_tls_key_file) {
            options = options.add_client_certificate(file.into(), key.into());
        }
        // Whoever names an authority does not want to speak in the clear, whatever a server says.
        let tls = config.nats_tls_ca_file.is_some() || config.nats_tls_cert_file.is_some();
        Ok(options.require_tls(tls || config.nats_url.contains("tls://")))
    }
}

/// What the connection has come to. One line when it goes, one when it is back, and in between one for each reason why it is not:
/// there are two attempts a second.
fn heard(
    host: Host,
    place: &str,
    losses: &watch::Sender<u64>,
    failure: &Mutex<String>,
    event: &Event,
) {
    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
    match event {
        Event::Connected => {
            failure.clear();
            host.count("connected", 1);
            host.info(format_args!("{place}: connected"));
        }
        Event::Disconnected => {
            losses.send_modify(|count| *count += 1);
            host.error(format_args!("{place}: connection lost; mail waits until there is another"));
        }
        Event::LameDuckMode | Event::Draining | Event::Closed => {
            host.debug(format_args!("{place}: {event}"));
        }
        Event::ClientError(ClientError::Other(why)) => {
            if *failure != *why {
                host.error(format_args!(
                    "{place}: cannot connect: {}; mail is deferred until that is mended",
                    why.replace(['\r', '\n'], " ")
                ));
                failure.clone_from(why);
            }
        }
        Event::ServerError(_) | Event::ClientError(_) | Event::SlowConsumer(_) => {
            host.warn(format_args!("{place}: {}", event.to_string().replace(['\r', '\n'], " ")));
        }
    }
}

/// Before the next attempt to connect: each server of the list is one.
fn pause(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts / 2).unwrap_or(u32::MAX).min(5);
    (SHORTEST * 2_u32.pow(doublings)).min(LONGEST)
}

fn is_mistake(error: &ConnectError) -> bool {
    matches!(
        error.kind(),
        ConnectErrorKind::ServerParse
            | ConnectErrorKind::Authentication
            | ConnectErrorKind::AuthorizationViolation
    )
}

fn one_line(error: &ConnectError) -> String {
    error.to_string().replace(['\r', '\n'], " ")
}

const SHORTEST: Duration = Duration::from_millis(25);
/// Mail flows again within so long after a server is back.
const LONGEST: Duration = Duration::from_millis(500);
