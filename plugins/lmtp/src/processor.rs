//! The processor as the daemon sees it.

use std::time::Duration;

use guerrilla_plugin_api::{
    AsyncPlugin, Held, Host, Level, Phase, Recipient, Reply, Transaction, Verdict,
};
use guerrilla_stable_id::stable_id;
use guerrilla_stream_pool::Pool;
use tokio::time::Instant;

use crate::config::Config;
use crate::deliveries::{Deliveries, Outcome};
use crate::envelope::Envelope;
use crate::message::Message;
use crate::remembered::Remembered;
use crate::reply::Reply as Answer;
use crate::tls::Tls;

/// Delivers messages to a local store.
pub struct Lmtp {
    host: Host,
    deliveries: Deliveries,
    remembered: Remembered,
}

impl AsyncPlugin for Lmtp {
    const NAME: &'static str = "LMTP";
    const DESCRIPTION: &'static str = "delivers messages to a local store, recipient by recipient";
    const PHASES: &'static [Phase] = &[Phase::Rcpt, Phase::Save];
    const CONFIG_SCHEMA: &'static str = CONFIG_SCHEMA;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let keep = Duration::from_secs(config.lmtp_keep_alive_seconds.into());
        let most = config.lmtp_connections.get().into();
        let address = config.address()?;
        let tls = Tls::new(&config, &address)?;
        let deliveries = Deliveries::new(host, address, tls, Pool::new(most, keep));
        Ok(Self { host, deliveries, remembered: Remembered::default() })
    }

    /// A store that is away is waited for: which of the two starts first does not matter.
    async fn start(&self) -> Result<(), String> {
        tokio::spawn(self.deliveries.connections().tend());
        Ok(())
    }

    /// Asks the store whether it would take the recipient.
    async fn rcpt(&self, held: &mut Held) -> Verdict {
        let txn = held.transaction();
        let address = txn.recipients().next_back().map(|one| one.address().to_owned());
        let Some(address) = address else { return Verdict::CONTINUE };
        let envelope = Envelope::new(&txn, vec![address], None);
        let name = txn.server_name().to_owned();
        let until = Instant::now() + txn.time_left();
        let mut outcome = self.deliveries.deliver(&name, &envelope, None, false, until).await;
        match outcome.answers.pop().flatten() {
            Some(answer) if answer.is_positive() => {
                self.host.count("passed", 1);
                Verdict::CONTINUE
            }
            Some(answer) => {
                self.host.count("unknown", 1);
                refusal(&answer)
            }
            None => {
                self.trouble(&txn, &outcome);
                Verdict::UNCHECKED
            }
        }
    }

    async fn save(&self, held: &mut Held) -> Verdict {
        let mut txn = held.transaction();
        let (id, each) = (stable_id(&txn), txn.answers_each());
        // What an earlier stage has refused is answered for, and who has it already is not to get it twice.
        let waits =
            |one: &Recipient<'_>| !one.is_refused() && !self.remembered.has(&id, one.address());
        let waiting: Vec<(usize, String)> = txn
            .recipients()
            .filter(waits)
            .map(|one| (one.index(), one.address().to_owned()))
            .collect();
        if waiting.is_empty() {
            return Verdict::CONTINUE;
        }
        let outcome = {
            let message = Message::new(txn.delivery_header(), txn.message().collect());
            if !message.is_text() {
                return Verdict::reject(Reply::new(
                    554,
                    "5.6.3",
                    "The store takes text with whole line ends only",
                ));
            }
            let addresses = waiting.iter().map(|(_, address)| address.clone()).collect();
            let envelope = Envelope::new(&txn, addresses, Some(message.size));
            let (name, until) = (txn.server_name().to_owned(), Instant::now() + txn.time_left());
            self.deliveries.deliver(&name, &envelope, Some(&message), !each, until).await
        };
        self.answer(&mut txn, &id, waiting, outcome)
    }

    async fn stop(&self) {
        self.deliveries.connections().close();
    }
}

impl Lmtp {
    /// Gives each recipient the answer of the store. None of them is the message's: the daemon knows what they come to where one
    /// reply stands for all, and what other stages have said of other recipients.
    fn answer(
        &self,
        txn: &mut Transaction<'_>,
        id: &str,
        waiting: Vec<(usize, String)>,
        outcome: Outcome,
    ) -> Verdict {
        if outcome.answers.iter().any(Option::is_none) && !outcome.trouble.is_empty() {
            self.trouble(txn, &outcome);
        }
        // Who was called off with others shares their fate.
        let called_off = worst_of(&outcome.answers).map_or(Verdict::UNSTORED, refusal);
        let all = waiting.len();
        let mut delivered = Vec::new();
        let mut verdict_on_all = Verdict::CONTINUE;
        for ((index, address), answer) in waiting.into_iter().zip(outcome.answers) {
            let verdict = match answer {
                Some(answer) if answer.is_positive() => {
                    delivered.push(address);
                    continue;
                }
                Some(answer) => {
                    txn.log(Level::Info, format_args!("<{address}>: {}", in_one_line(&answer)));
                    refusal(&answer)
                }
                None if outcome.trouble.is_empty() => called_off.clone(),
                None => Verdict::UNSTORED,
            };
            self.host.count("not_delivered", 1);
            if txn.set_recipient(index, &verdict).is_err() {
                verdict_on_all = Verdict::UNSTORED;
            }
        }
        self.host.count("delivered", delivered.len() as u64);
        if !delivered.is_empty() && delivered.len() < all {
            self.remembered.add(id, delivered);
        }
        verdict_on_all
    }

    fn trouble(&self, txn: &Transaction<'_>, outcome: &Outcome) {
        let address = self.deliveries.address();
        // A line for each message would say no more than the one there is.
        let level = if outcome.is_told { Level::Debug } else { Level::Error };
        txn.log(level, format_args!("{address}: {}; deferred", outcome.trouble));
    }
}

/// The refusal that counts where one reply stands for all: what may pass goes before what does not.
fn worst_of(answers: &[Option<Answer>]) -> Option<&Answer> {
    let refusals = || answers.iter().flatten().filter(|answer| !answer.is_positive());
    refusals().find(|answer| answer.code < 500).or_else(|| refusals().next())
}

/// What the store has said, for the client.
fn refusal(answer: &Answer) -> Verdict {
    let text = answer.lines.join(" ");
    let is_final = answer.code >= 500;
    // RFC 5321 section 4.2: of the second digit only 0 to 5 are known.
    let code = match answer.code {
        400..=459 | 500..=559 => answer.code,
        _ if is_final => 554,
        _ => 451,
    };
    let reply = Reply::new(code, answer.enhanced.clone(), text);
    if is_final { Verdict::reject(reply) } else { Verdict::defer(reply) }
}

fn in_one_line(answer: &Answer) -> String {
    let text = answer.lines.join(" ").replace(char::is_control, " ");
    format!("{} {} {text}", answer.code, answer.enhanced)
}

pub(crate) const CONFIG_SCHEMA: &str = include_str!("config.schema.json");
