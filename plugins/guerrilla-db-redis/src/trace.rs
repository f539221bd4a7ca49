//! The trace field of a message that no `Header` has stood in front of: go-guerrilla's processor wrote its own.

use guerrilla_plugin_api::Transaction;
use mail_parser::DateTime;

/// A Received field (RFC 5321 section 4.4), or nothing where `Header` has written one.
pub(crate) fn received(txn: &Transaction<'_>, id: &str) -> String {
    if !txn.delivery_header().is_empty() {
        return String::new();
    }
    let seconds = txn.arrived_ms().unwrap_or_default() / 1000;
    let date = DateTime::from_timestamp(i64::try_from(seconds).unwrap_or_default()).to_rfc822();
    let tag = if txn.remote_ip().contains(':') { "IPv6:" } else { "" };
    format!(
        "Received: from {} ([{tag}{}])\r\n\tby {} with {} id {};\r\n\t{date}\r\n",
        word(txn.helo().unwrap_or_default()),
        word(txn.remote_ip()),
        word(txn.server_name()),
        word(txn.protocol()),
        word(id),
    )
}

/// A word that cannot end the field, open a comment or stand for two.
fn word(text: &str) -> String {
    let harmless = |c: char| match c {
        '(' | ')' | '<' | '>' | '"' | '\\' | ';' | ',' => '?',
        c if c.is_whitespace() || c.is_control() => '?',
        c => c,
    };
    if text.is_empty() { "unknown".to_owned() } else { text.chars().map(harmless).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        assert_eq!(word("mail.example"), "mail.example");
        assert_eq!(word("a b\r\nX: (c)"), "a?b??X:??c?");
        assert_eq!(word(""), "unknown");
    }
}
