//! The processor as the daemon sees it.

use std::time::Duration;

use guerrilla_plugin_api::{
    AsyncPlugin, Held, Host, Level, Phase, Recipient, Reply, Transaction, Verdict,
};
use tokio::time::Instant;

use crate::answer::{Answer, Word, complaints};
use crate::calls::Calls;
use crate::config::{BodyFormat, Config};
use crate::connections::Connections;
use crate::request::{Message, Script, TAKEN};

/// Has scripts check recipients and store messages.
pub struct FastCgi {
    host: Host,
    calls: Calls,
    /// Without one, recipients cannot be checked.
    validate: Option<Script>,
    /// Without one, messages cannot be stored.
    save: Option<Script>,
    format: BodyFormat,
}

impl AsyncPlugin for FastCgi {
    const NAME: &'static str = "FastCGI";
    const DESCRIPTION: &'static str =
        "has scripts behind PHP-FPM check recipients and store messages";
    const PHASES: &'static [Phase] = &[Phase::Rcpt, Phase::Save];
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let own = config.parameters()?;
        if let Some((name, _)) = own.iter().find(|(name, _)| TAKEN.contains(&name.as_str())) {
            return Err(format!("fcgi_params: {name:?} is set by the processor; leave it out"));
        }
        let most = config.fcgi_connections.get().into();
        let keep = Duration::from_secs(config.fcgi_keep_alive_seconds.into());
        let calls = Calls::new(host, Connections::new(config.address()?, most, keep));
        let script = |path: String| (!path.is_empty()).then(|| Script::new(path, &own));
        let save = script(config.fcgi_script_filename_save);
        let validate = script(config.fcgi_script_filename_validate);
        if save.is_none() && validate.is_none() {
            return Err(
                "fcgi_script_filename_save: empty, and so is fcgi_script_filename_validate; \
                        name the script of one"
                    .to_owned(),
            );
        }
        Ok(Self { host, calls, validate, save, format: config.fcgi_body_format })
    }

    /// Encoding a long message takes a while, which is not to delay the others.
    fn threads(&self) -> usize {
        2
    }

    /// A server that is away is waited for: which of the two starts first does not matter.
    async fn start(&self) -> Result<(), String> {
        tokio::spawn(self.calls.connections().tend());
        // A host that does not answer must not keep the daemon from starting.
        let _ = tokio::time::timeout(PROBE, self.calls.probe()).await;
        Ok(())
    }

    async fn rcpt(&self, held: &mut Held) -> Verdict {
        let txn = held.transaction();
        let address = txn.recipients().next_back().map(Recipient::address);
        let Some(address) = address else { return Verdict::CONTINUE };
        let Some(script) = &self.validate else {
            return self.no_script(&txn, "fcgi_script_filename_validate", Verdict::UNCHECKED);
        };
        let request = script.validate(address);
        let answer = self.calls.call(&request, Instant::now() + txn.time_left()).await;
        match self.heard(&txn, script, answer, Answer::of_validate) {
            Word::Yes => {
                self.host.count("passed", 1);
                Verdict::CONTINUE
            }
            Word::No => {
                self.host.count("unknown", 1);
                Verdict::reject(Reply::new(550, "5.1.1", "No such user here"))
            }
            Word::Trouble(_) => Verdict::UNCHECKED,
        }
    }

    async fn save(&self, held: &mut Held) -> Verdict {
        let txn = held.transaction();
        let Some(script) = &self.save else {
            return self.no_script(&txn, "fcgi_script_filename_save", Verdict::UNSTORED);
        };
        let request = script.save(message(&txn), self.format);
        let answer = self.calls.call(&request, Instant::now() + txn.time_left()).await;
        match self.heard(&txn, script, answer, Answer::of_save) {
            Word::Yes => {
                self.host.count("saved", 1);
                Verdict::CONTINUE
            }
            Word::No => {
                self.host.count("refused", 1);
                Verdict::reject(Reply::new(554, "5.7.1", "The message is not accepted"))
            }
            Word::Trouble(_) => Verdict::UNSTORED,
        }
    }

    async fn stop(&self) {
        self.calls.connections().close();
    }
}

impl FastCgi {
    /// What a call has come to. What the script complains about, and trouble, is in the log then.
    fn heard(
        &self,
        txn: &Transaction<'_>,
        script: &Script,
        answer: Result<Answer, String>,
        meaning: fn(&Answer) -> Word,
    ) -> Word {
        let name = &script.filename;
        if let Ok(answer) = &answer {
            for line in complaints(&answer.stderr) {
                txn.log(Level::Warn, format_args!("{name}: STDERR: {line}"));
            }
        }
        let word = answer.map_or_else(Word::Trouble, |answer| meaning(&answer));
        if let Word::Trouble(why) = &word {
            self.host.count("deferred", 1);
            txn.log(Level::Error, format_args!("{name}: {why}; deferred"));
        }
        word
    }

    /// The chain asks for what the configuration has no script for.
    fn no_script(&self, txn: &Transaction<'_>, key: &str, verdict: Verdict) -> Verdict {
        self.host.count("deferred", 1);
        txn.log(
            Level::Error,
            format_args!("{key} is not set, but the chain asks for it; deferred"),
        );
        verdict
    }
}

fn message<'a>(txn: &'a Transaction<'_>) -> Message<'a> {
    // What an earlier stage has refused is answered for.
    let wanted = txn.recipients().filter(|recipient| !recipient.is_refused());
    Message {
        remote_ip: txn.remote_ip(),
        helo: txn.helo().unwrap_or_default(),
        mail_from: txn.sender().unwrap_or_default(),
        rcpt_to: wanted.map(Recipient::address).collect(),
        subject: txn.subject().unwrap_or_default(),
        tls_on: txn.is_tls(),
        body: txn.message().collect(),
    }
}

/// How long a start waits to see whether the server is there.
const PROBE: Duration = Duration::from_secs(2);

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
