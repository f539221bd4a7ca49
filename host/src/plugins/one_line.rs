//! Text of strangers on one line: names, manifests and system messages go into the log and onto terminals.

use std::path::Path;

/// The text with line breaks and runs of blanks as one blank and other control characters escaped, cut off
/// at `limit` characters. Trust: a file name or manifest may hold escape sequences.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut blank = false;
    for (count, c) in text.trim().chars().enumerate() {
        if count == limit {
            out.push('…');
            break;
        }
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) {
            out.push(' ');
        }
        if c.is_control() || is_bidi_control(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A path, whole.
pub(super) fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy(), PATH_LIMIT)
}

/// Characters that make a terminal show a line in another order than it was written.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Longest text of a stranger in a message, in characters.
pub(super) const LIMIT: usize = 200;

/// `PATH_MAX` of Linux.
const PATH_LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_blanks_and_escapes_controls() {
        assert_eq!(one_line(" a\r\n\tb  c\n", LIMIT), "a b c");
        assert_eq!(one_line("\x1b[2Jx\u{202e}y", LIMIT), "\\u{1b}[2Jx\\u{202e}y");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("abc", 3), "abc");
    }
}
