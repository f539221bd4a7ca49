//! `HeadersParser`: decodes the subject for the processors behind it.
//!
//! Only the first Subject field is decoded, as in go-guerrilla; the fields themselves lie ready in every
//! transaction. go-guerrilla gave up on headers above 4 KiB, knew no charset with an underscore in its name
//! (`Shift_JIS`) and passed raw 8-bit text and control characters on.
//!
//! *Trust*: strangers' bytes; linear in time. *Never*: the body is not looked at, the message not changed.
//! *Limits*: [`LIMIT`] for the subject's value; the header round it may be of any size, up to 16,384 fields.

mod encoded_word;

use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Transaction, Verdict};

/// The processor.
pub(super) struct HeadersParser {
    host: Host,
}

impl Plugin for HeadersParser {
    const NAME: &'static str = "HeadersParser";
    const DESCRIPTION: &'static str = "Decodes the subject";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(host: Host, _config: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let Some(subject) = txn.header("Subject").map(subject) else {
            return Verdict::CONTINUE;
        };
        if let Err(why) = txn.set_subject(&subject) {
            // The mail is whole without it.
            self.host.warn(format_args!("{} subject not set: {why}", txn.session_id()));
        }
        Verdict::CONTINUE
    }
}

/// Decodes the value of a Subject field.
fn subject(value: &[u8]) -> String {
    encoded_word::decode(&value[..value.len().min(LIMIT)])
}

/// Longest value that is decoded, in bytes; the rest is cut off. It bounds the time on the connection's thread to
/// a millisecond or two: subjects of real mail are a hundred times shorter.
const LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_up_to_the_limit() {
        assert_eq!(subject(b"plain"), "plain");
        let long = "x".repeat(LIMIT * 2);
        assert_eq!(subject(long.as_bytes()).len(), LIMIT);
        assert_eq!(subject("é".repeat(LIMIT).as_bytes()).chars().next(), Some('é'));
    }
}
