//! The processor as the daemon sees it.

use std::time::Duration;

use guerrilla_plugin_api::{AsyncPlugin, Held, Host, Level, Phase, Reply, Verdict};
use tokio::time::Instant;

use crate::config::Config;
use crate::outgoing::Outgoing;
use crate::publishing::Publishing;
use crate::trouble::Trouble;

/// Publishes messages to a JetStream.
pub struct Nats {
    host: Host,
    publishing: Publishing,
}

impl AsyncPlugin for Nats {
    const NAME: &'static str = "NATS";
    const ALIASES: &'static [&'static str] = &["JetStream"];
    const DESCRIPTION: &'static str = "publishes messages to a NATS JetStream";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self { host, publishing: Publishing::new(host, config) })
    }

    /// The library has a task of its own for the connection, which digests of long messages must not hold up.
    fn threads(&self) -> usize {
        2
    }

    async fn start(&self) -> Result<(), String> {
        self.publishing.begin().await
    }

    async fn save(&self, held: &mut Held) -> Verdict {
        let begun = Instant::now();
        let txn = held.transaction();
        let until = until(txn.deadline_ms());
        let mail = Outgoing::new(&txn, self.publishing.stream_name());
        let published = self.publishing.publish(&mail, until).await;
        self.host.observe("publish_seconds", begun.elapsed().as_secs_f64());
        let Err(trouble) = published else {
            self.host.count("published", 1);
            return Verdict::CONTINUE;
        };
        let what = if matches!(trouble, Trouble::TooLarge(_)) { "refused" } else { "deferred" };
        self.host.count(what, 1);
        txn.log(Level::Error, format_args!("{}: {trouble}; {what}", mail.id));
        answer(&trouble)
    }

    async fn stop(&self) {
        self.publishing.end().await;
    }
}

/// What the client hears: the details are for the log.
fn answer(trouble: &Trouble) -> Verdict {
    match trouble {
        Trouble::Passing(_) | Trouble::Refused(_) => Verdict::defer(Reply::new(
            451,
            "4.3.0",
            "The message could not be stored, try again later",
        )),
        Trouble::Full(_) => Verdict::defer(Reply::new(
            452,
            "4.3.1",
            "Not enough room for the message, try again later",
        )),
        // It would not become smaller by waiting.
        Trouble::TooLarge(_) => {
            Verdict::reject(Reply::new(552, "5.3.4", "The message is larger than can be stored"))
        }
    }
}

/// When a message must be answered for: early enough that the client still hears it.
fn until(deadline_ms: Option<u64>) -> Instant {
    let left = deadline_ms.map_or(UNTOLD, Duration::from_millis);
    Instant::now() + left - (left / 4).min(Duration::from_secs(1))
}

/// How long it may take where the host does not say.
const UNTOLD: Duration = Duration::from_secs(30);

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
