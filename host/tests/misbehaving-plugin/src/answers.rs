//! The mail says what the verdict is to be.
//!
//! `X-Answer: reject 550 5.7.1 Not today` for the message, `X-Answer-Recipient: 1 defer 452 4.2.2 Full` for the
//! second recipient. Code, enhanced code and text may be left out.

use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Reply, Transaction, Verdict};

/// Answers as it is told.
pub(crate) struct Answers {
    host: Host,
}

impl Plugin for Answers {
    const NAME: &'static str = "Answers";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(host: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let of_recipients: Vec<String> = values(&txn, "X-Answer-Recipient");
        for answer in of_recipients {
            let (index, answer) = answer.split_once(' ').unwrap_or((&answer, ""));
            let set = index.parse().ok().map(|index| txn.set_recipient(index, &verdict(answer)));
            if set != Some(Ok(())) {
                self.host.error(format_args!("recipient {index}: not set: {set:?}"));
                return Verdict::REJECT;
            }
        }
        values(&txn, "X-Answer").first().map_or(Verdict::CONTINUE, |answer| verdict(answer))
    }
}

fn values(txn: &Transaction<'_>, name: &str) -> Vec<String> {
    txn.headers()
        .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
        .collect()
}

fn verdict(answer: &str) -> Verdict {
    let mut words = answer.splitn(4, ' ');
    let kind = words.next().unwrap_or_default();
    let code = words.next().and_then(|code| code.parse().ok());
    let (enhanced, text) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let reply = code.map(|code| Reply::new(code, enhanced.to_owned(), text.replace("\\n", "\r\n")));
    match (kind, reply) {
        ("accept", None) => Verdict::ACCEPT,
        ("accept", Some(reply)) => Verdict::accept(reply),
        ("defer", None) => Verdict::DEFER,
        ("defer", Some(reply)) => Verdict::defer(reply),
        ("reject", None) => Verdict::REJECT,
        ("reject", Some(reply)) => Verdict::reject(reply),
        ("discard", _) => Verdict::DISCARD,
        ("disconnect", None) => Verdict::DISCONNECT,
        ("disconnect", Some(reply)) => Verdict::disconnect(reply),
        _ => Verdict::CONTINUE,
    }
}
