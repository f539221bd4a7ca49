//! The processor as the daemon sees it.

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
        let until = Instant::now() + txn.time_left();
        let mail = Outgoing::new(&txn, self.publishing.stream_name());
        let published = self.publishing.publish(&mail, until).await;
        self.host.observe("publish_seconds", begun.elapsed().as_secs_f64());
        let Err(trouble) = published else {
            self.host.count("published", 1);
            return Verdict::CONTINUE;
        };
        let what = if matches!(trouble, Trouble::TooLarge(_)) { "refused" } else { "deferred" };
        self.host.count(what, 1);
        let (place, id) = (self.publishing.place(), txn.queued_id());
        // By the second id the stream can be asked whether it has the message all the same.
        let named = &mail.id;
        txn.log(
            Level::Error,
            format_args!("{place}: {id} (Nats-Msg-Id {named}) {what}: {trouble}"),
        );
        answer(&trouble)
    }

    async fn stop(&self) {
        self.publishing.end().await;
    }
}

/// What the client hears: the details are for the log.
fn answer(trouble: &Trouble) -> Verdict {
    match trouble {
        Trouble::Passing(_) | Trouble::Refused(_) => Verdict::UNSTORED,
        Trouble::Full(_) => Verdict::NO_ROOM,
        // It would not become smaller by waiting.
        Trouble::TooLarge(_) => {
            Verdict::reject(Reply::new(552, "5.3.4", "The message is larger than can be stored"))
        }
    }
}

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
