//! The processor as the daemon sees it.

use guerrilla_plugin_api::{AsyncPlugin, Held, Host, Level, Phase, Verdict};
use tokio::time::Instant;

use crate::config::{Config, Format};
use crate::payload::Payload;
use crate::posting::Posting;
use crate::replies::Replies;

/// Posts messages to an HTTP endpoint.
pub struct Webhook {
    host: Host,
    posting: Posting,
    replies: Replies,
    format: Format,
}

impl AsyncPlugin for Webhook {
    const NAME: &'static str = "Webhook";
    const DESCRIPTION: &'static str = "posts messages to an HTTP endpoint";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let replies = Replies::new(&config.webhook_replies)?;
        let posting = Posting::new(host, &config)?;
        Ok(Self { host, posting, replies, format: config.webhook_format })
    }

    /// TLS and signatures of long messages take a while, which is not to delay the others.
    fn threads(&self) -> usize {
        2
    }

    async fn save(&self, held: &mut Held) -> Verdict {
        let txn = held.transaction();
        let until = Instant::now() + txn.time_left();
        let mail = Payload::new(&txn, self.format);
        let (id, endpoint) = (mail.id.clone(), self.posting.name());
        let verdict = match self.posting.post(mail, until).await {
            Ok(answer) if (200..300).contains(&answer.status) => {
                self.host.count("stored", 1);
                return Verdict::CONTINUE;
            }
            Ok(answer) => {
                let (status, text) = (answer.status, &answer.text);
                txn.log(Level::Error, format_args!("{endpoint}: {id}: status {status}: {text}"));
                self.replies.verdict(status)
            }
            Err(why) => {
                txn.log(Level::Error, format_args!("{endpoint}: {id} deferred: {why}"));
                Verdict::UNSTORED
            }
        };
        self.host.count("not_stored", 1);
        verdict
    }
}

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
