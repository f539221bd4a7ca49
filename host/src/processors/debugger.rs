//! `Debugger`: a line in the log for each message, and a delay to try timeouts with.
//!
//! *Trust*: what the client gave is escaped, so that it can neither end a line nor steer a terminal, and cut.
//!
//! What differs from go-guerrilla: header fields are not logged beyond the subject, a sleeping message keeps no
//! worker busy and is woken when the chain is drained, and `sleep_seconds: 1` does not panic on purpose.

mod delay_line;

use std::time::Duration;

use guerrilla_plugin_api::{
    Blocking, Held, Host, Level, Phase, Plugin, Recipient, Transaction, Verdict,
};

use super::settings::Settings;
use delay_line::DelayLine;

/// The processor.
pub(super) struct Debugger {
    host: Host,
    log_received_mails: bool,
    /// Messages that sleep; none when they are not to.
    sleepers: Option<DelayLine<Held>>,
}

impl Plugin for Debugger {
    const NAME: &'static str = "Debugger";
    const DESCRIPTION: &'static str = "Logs each message, and can delay it";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": {
            "log_received_mails": {
                "type": "boolean",
                "description": "Log sender, recipients, subject and size of each message. Default: true without a backend_config, else false"
            },
            "sleep_seconds": {
                "type": "integer",
                "minimum": 0,
                "maximum": 86400,
                "default": 0,
                "description": "Hold each message for so long: a test aid"
            }
        }
    }"#;
    type Config = Settings;

    fn create(host: Host, config: Settings) -> Result<Self, String> {
        let log_received_mails = config.flag("log_received_mails")?.unwrap_or(true);
        let sleep = config.number("sleep_seconds", 0..=ONE_DAY)?.unwrap_or(0);
        let sleepers =
            (sleep > 0).then(|| DelayLine::new(Duration::from_secs(sleep), wake as fn(Held)));
        Ok(Self { host, log_received_mails, sleepers })
    }

    fn start(&self) -> Result<(), String> {
        let started = self.sleepers.as_ref().map_or(Ok(()), DelayLine::start);
        started.map_err(|e| format!("sleep_seconds: cannot start a thread: {e}"))
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        if self.log_received_mails && self.host.log_enabled(Level::Info) {
            self.host.info(format_args!("{}", Report::of(&txn).line()));
        }
        let Some(sleepers) = &self.sleepers else { return Verdict::CONTINUE };
        let Some(held) = txn.hold() else { return Verdict::CONTINUE };
        sleepers.put(held);
        Verdict::PENDING
    }

    fn drain(&self, _deadline_ms: u64) {
        if let Some(sleepers) = &self.sleepers {
            sleepers.hurry();
        }
    }

    fn stop(&self) {
        if let Some(sleepers) = &self.sleepers {
            sleepers.stop();
        }
    }
}

fn wake(held: Held) {
    held.complete(Verdict::CONTINUE);
}

/// What the line says.
struct Report<'a> {
    session: &'a str,
    sender: &'a str,
    /// The first few.
    recipients: Vec<&'a str>,
    /// How many there are in all.
    recipient_count: usize,
    subject: Option<&'a str>,
    size: usize,
}

impl<'a> Report<'a> {
    fn of(txn: &'a Transaction<'_>) -> Self {
        let recipients = txn.recipients();
        Self {
            session: txn.session_id(),
            sender: txn.sender().unwrap_or_default(),
            recipient_count: recipients.len(),
            recipients: recipients.take(MOST_RECIPIENTS).map(Recipient::address).collect(),
            subject: txn.subject(),
            size: txn.body().len(),
        }
    }

    fn line(&self) -> String {
        let Self { session, recipient_count, size, .. } = self;
        let recipients: Vec<String> = self.recipients.iter().map(|r| quoted(r)).collect();
        let more = if *recipient_count > recipients.len() { ",…" } else { "" };
        let subject = self.subject.map_or_else(|| "-".to_owned(), quoted);
        format!(
            "{session} from={} nrcpt={recipient_count} to={}{more} subject={subject} size={size}",
            quoted(self.sender),
            recipients.join(","),
        )
    }
}

/// The text in quotes: what a terminal would act upon is escaped, and a long one is cut.
fn quoted(text: &str) -> String {
    let end = text.char_indices().nth(LONGEST_TEXT).map_or(text.len(), |(at, _)| at);
    let more = if end < text.len() { "…" } else { "" };
    // An apostrophe is harmless between double quotes.
    let escaped = text[..end].escape_debug().to_string().replace("\\'", "'");
    format!("\"{escaped}{more}\"")
}

/// Most recipients that are named.
const MOST_RECIPIENTS: usize = 10;
/// Longest text, in characters.
const LONGEST_TEXT: usize = 256;
/// Longest sleep, in seconds.
const ONE_DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report<'static> {
        Report {
            session: "0abc",
            sender: "alice@example.com",
            recipients: vec!["bob@example.org", "carol@example.org"],
            recipient_count: 2,
            subject: Some("Don't panic, Zoë"),
            size: 42,
        }
    }

    #[test]
    fn one_line_with_all_there_is() {
        assert_eq!(
            report().line(),
            "0abc from=\"alice@example.com\" nrcpt=2 to=\"bob@example.org\",\"carol@example.org\" \
             subject=\"Don't panic, Zoë\" size=42"
        );
        let bounce = Report { sender: "", recipient_count: 500, subject: None, ..report() };
        assert_eq!(
            bounce.line(),
            "0abc from=\"\" nrcpt=500 to=\"bob@example.org\",\"carol@example.org\",… subject=- size=42"
        );
    }

    #[test]
    fn nothing_breaks_the_line_or_steers_a_terminal() {
        assert_eq!(
            quoted("a\r\nb\x1b[31m\0\x7f\u{85}\u{9b}31m"),
            r#""a\r\nb\u{1b}[31m\0\u{7f}\u{85}\u{9b}31m""#
        );
        assert_eq!(quoted("\u{202e}\u{2028}\u{feff}"), r#""\u{202e}\u{2028}\u{feff}""#);
        assert_eq!(quoted(r#"" to="x\"#), r#""\" to=\"x\\""#);
        assert_eq!(quoted(r"\'"), r#""\\'""#);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(quoted(&"é".repeat(LONGEST_TEXT)).chars().count(), LONGEST_TEXT + 2);
        let cut = quoted(&"é".repeat(LONGEST_TEXT + 1));
        assert_eq!(cut.chars().count(), LONGEST_TEXT + 3);
        assert!(cut.ends_with("é…\""));
    }
}
