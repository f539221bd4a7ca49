//! What a client says, without what nobody else is to see.
//!
//! *Trust*: none in the client. A line is shown in full only if it begins with a command whose arguments are addresses and
//! names; a line that is no command may be a password (somebody who tries `AUTH` and goes on), bytes of a message are its
//! recipients' alone.

use std::borrow::Cow;
use std::fmt::Write;

use guerrilla_smtp::Waiting;

/// Commands whose arguments may be shown.
const OPEN: [&[u8]; 9] =
    [b"HELO", b"EHLO", b"LHLO", b"MAIL", b"RCPT", b"BDAT", b"VRFY", b"XCLIENT", b"XFORWARD"];

/// Commands that may be named.
const NAMED: [&[u8]; 10] =
    [b"DATA", b"QUIT", b"RSET", b"NOOP", b"STARTTLS", b"HELP", b"EXPN", b"AUTH", b"ETRN", b"TURN"];

/// What may be shown of a command line, or of bytes of a message: what the session has taken in at once while it waited
/// for this.
pub(super) fn shown(waiting: Waiting, piece: &[u8]) -> String {
    if waiting != Waiting::Command {
        return format!("[{} bytes of a message]", piece.len());
    }
    let line = piece.trim_ascii_end();
    let verb = line.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
    let is = |known: &[&[u8]]| known.iter().any(|name| name.eq_ignore_ascii_case(verb));
    let hidden = line.len() - verb.len();
    match (is(&OPEN), is(&NAMED)) {
        (true, _) => without_login(&printable(line)).into_owned(),
        (_, true) if hidden == 0 => printable(verb),
        (_, true) => format!("{} [{hidden} bytes]", printable(verb)),
        _ => format!("[{} bytes that are no command]", line.len()),
    }
}

/// XCLIENT may tell the name that somebody has logged in by.
fn without_login(line: &str) -> Cow<'_, str> {
    let is_login = |word: &str| word.get(..6).is_some_and(|w| w.eq_ignore_ascii_case("LOGIN="));
    if !line.split(' ').any(is_login) {
        return Cow::Borrowed(line);
    }
    let words = line.split(' ').map(|word| if is_login(word) { "LOGIN=[not shown]" } else { word });
    Cow::Owned(words.collect::<Vec<_>>().join(" "))
}

/// Text that does nothing to a terminal, and not too much of it.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut printable = String::with_capacity(text.len());
    for char in text.chars().take(MOST) {
        match char {
            '"' | '\'' | '\\' => printable.push(char),
            // Writing into a string does not fail.
            char => drop(write!(printable, "{}", char.escape_debug())),
        }
    }
    if text.chars().nth(MOST).is_some() {
        printable.push_str("...");
    }
    printable
}

/// Characters of a line.
const MOST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> String {
        shown(Waiting::Command, format!("{line}\r\n").as_bytes())
    }

    #[test]
    fn credentials_are_not_shown() {
        for (said, expected) in [
            ("EHLO a", "EHLO a"),
            ("AUTH PLAIN AGFubgBzZWNyZXQ=", "AUTH [23 bytes]"),
            ("AGFubgBzZWNyZXQ=", "[16 bytes that are no command]"),
            ("noop secret", "noop [7 bytes]"),
            (
                "XCLIENT ADDR=192.0.2.1 login=ann NAME=a",
                "XCLIENT ADDR=192.0.2.1 LOGIN=[not shown] NAME=a",
            ),
        ] {
            assert_eq!(line(said), expected);
        }
    }

    #[test]
    fn bodies_are_counted() {
        assert_eq!(shown(Waiting::Body, b"QUIT\r\n"), "[6 bytes of a message]");
    }

    #[test]
    fn a_terminal_is_safe() {
        assert_eq!(
            line("MAIL FROM:<\x1b[2J\u{202e}\u{e9}>"),
            "MAIL FROM:<\\u{1b}[2J\\u{202e}\u{e9}>"
        );
        assert_eq!(line(&format!("RCPT {}", "x".repeat(600))).len(), MOST + 3);
    }
}
