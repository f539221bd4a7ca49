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

/// Puts bytes that were taken in while the session waited for this into lines.
pub(super) fn lines(waiting: Waiting, mut bytes: &[u8], mut show: impl FnMut(&str)) {
    while waiting == Waiting::Command && !bytes.is_empty() {
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let line;
        (line, bytes) = bytes.split_at(end);
        let line = line.trim_ascii_end();
        let verb = line.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
        let is = |known: &[&[u8]]| known.iter().any(|name| name.eq_ignore_ascii_case(verb));
        let hidden = line.len() - verb.len();
        match (is(&OPEN), is(&NAMED)) {
            (true, _) => show(&without_login(&printable(line))),
            (_, true) if hidden == 0 => show(&printable(verb)),
            (_, true) => show(&format!("{} [{hidden} bytes]", printable(verb))),
            _ => show(&format!("[{} bytes that are no command]", line.len())),
        }
        // A chunk may stand behind it in the same bytes.
        if verb.eq_ignore_ascii_case(b"BDAT") {
            break;
        }
    }
    if !bytes.is_empty() {
        show(&format!("[{} bytes of a message]", bytes.len()));
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

    fn shown(waiting: Waiting, bytes: &[u8]) -> Vec<String> {
        let mut shown = Vec::new();
        lines(waiting, bytes, |line| shown.push(line.to_owned()));
        shown
    }

    #[test]
    fn credentials_are_not_shown() {
        let bytes = b"EHLO a\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\nAGFubgBzZWNyZXQ=\r\nnoop secret\r\n";
        let shown = shown(Waiting::Command, bytes);
        assert_eq!(
            shown,
            ["EHLO a", "AUTH [23 bytes]", "[16 bytes that are no command]", "noop [7 bytes]"]
        );
        let xclient = lines_of("XCLIENT ADDR=192.0.2.1 login=ann NAME=a");
        assert_eq!(xclient, ["XCLIENT ADDR=192.0.2.1 LOGIN=[not shown] NAME=a"]);
    }

    fn lines_of(line: &str) -> Vec<String> {
        shown(Waiting::Command, format!("{line}\r\n").as_bytes())
    }

    #[test]
    fn bodies_are_counted() {
        assert_eq!(shown(Waiting::Body, b"secret\r\n"), ["[8 bytes of a message]"]);
        assert_eq!(
            shown(Waiting::Command, b"BDAT 8 LAST\r\nsecret\r\n"),
            ["BDAT 8 LAST", "[8 bytes of a message]"]
        );
    }

    #[test]
    fn a_terminal_is_safe() {
        assert_eq!(
            lines_of("MAIL FROM:<\x1b[2J\u{202e}\u{e9}>"),
            ["MAIL FROM:<\\u{1b}[2J\\u{202e}\u{e9}>"]
        );
        assert_eq!(lines_of(&format!("RCPT {}", "x".repeat(600)))[0].len(), MOST + 3);
    }
}
