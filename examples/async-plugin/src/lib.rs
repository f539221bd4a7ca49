//! Asks an HTTP service about each recipient while the client waits; no thread does.
//!
//! `GET /recipients/user%40example.com`: 200 takes the recipient, 404 refuses it, anything else (also silence) defers it.
#![forbid(unsafe_code)]

use std::time::Duration;

use guerrilla_plugin_api::{
    Async, AsyncPlugin, Held, Host, Phase, Recipient, Reply, Verdict, export_plugin,
};

mod http;

#[derive(serde::Deserialize)]
struct Config {
    recipient_service: String,
    #[serde(default = "two_seconds")]
    recipient_service_timeout_ms: u64,
}

fn two_seconds() -> u64 {
    2_000
}

struct RecipientService {
    host: Host,
    /// Host and port.
    service: String,
    timeout: Duration,
}

impl AsyncPlugin for RecipientService {
    const NAME: &'static str = "RecipientService";
    const DESCRIPTION: &'static str = "Asks an HTTP service about each recipient";
    const PHASES: &'static [Phase] = &[Phase::Rcpt];
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "required": ["recipient_service"],
        "properties": {
            "recipient_service": { "type": "string", "description": "host and port, such as 127.0.0.1:8080" },
            "recipient_service_timeout_ms": { "type": "integer", "minimum": 1, "default": 2000 }
        }
    }"#;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let service = config.recipient_service;
        let port = service.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(format!(
                "recipient_service: {service:?} has no port; write it like 127.0.0.1:8080"
            ));
        }
        let timeout = Duration::from_millis(config.recipient_service_timeout_ms);
        Ok(Self { host, service, timeout })
    }

    async fn rcpt(&self, held: &mut Held) -> Verdict {
        let txn = held.transaction();
        // A text may be kept over an await; a `Recipient` may not.
        let address = txn.recipients().next_back().map(Recipient::address);
        let Some(address) = address else { return Verdict::CONTINUE };
        let asked = http::get(&self.service, "recipients", address);
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(Ok(200)) => Verdict::CONTINUE,
            Ok(Ok(404)) => {
                self.host.count("unknown", 1);
                Verdict::reject(Reply::new(550, "5.1.1", "No such mailbox"))
            }
            Ok(Ok(status)) => self.trouble(&format!("answered {status}")),
            Ok(Err(error)) => self.trouble(&error.to_string()),
            Err(_) => self.trouble("does not answer"),
        }
    }
}

impl RecipientService {
    fn trouble(&self, what: &str) -> Verdict {
        tracing::warn!("recipient_service {}: {what}", self.service);
        Verdict::defer(Reply::new(451, "4.4.3", "Recipients cannot be checked now"))
    }
}

export_plugin!(Async<RecipientService>);

#[cfg(test)]
mod tests;
