//! A program with a mail server inside: every mail for example.org is printed.
//!
//! `cargo run -p embed`, then send a mail to you@example.org at 127.0.0.1:2525; the first one ends it.
#![forbid(unsafe_code)]

use std::time::Duration;

use guerrilla::config::Config;
use guerrilla::daemon::Daemon;
use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Transaction, Verdict};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Hands each mail to the program. A store would answer when the mail is safe on a disk.
struct Inbox(UnboundedSender<String>);

impl Plugin for Inbox {
    const NAME: &'static str = "Inbox";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Err("the program makes it".to_owned())
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        let subject = txn.subject().unwrap_or("(no subject)");
        let sent = self.0.send(format!("{subject}: {} bytes", txn.body().len()));
        sent.map_or(Verdict::DEFER, |()| Verdict::CONTINUE)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = r#"{"allowed_hosts": ["example.org"],
        "servers": [{"is_enabled": true, "listen_interface": "127.0.0.1:2525"}],
        "backend_config": {"save_process": "HeadersParser|Inbox"}}"#;
    let (sender, mut mails) = unbounded_channel();
    let daemon = Daemon::builder()
        .config(Config::from_json(config, "embed")?.config)
        .processor_by(move |_, _| Ok(Inbox(sender.clone())))
        .start()?;
    println!("listening on {}", daemon.addresses()[0]);
    if let Some(mail) = mails.recv().await {
        println!("{mail}");
    }
    daemon.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
