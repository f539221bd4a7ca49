//! Words of strangers, made fit for a structured header field. What does not fit becomes `?`.
//!
//! *Limits*: [`LONGEST_WORD`] and [`LONGEST_ADDRESS`] bytes; more is cut off. RFC 5321 section 4.5.3.1 has it at
//! 255 and 256, and sessions refuse more.

use std::borrow::Cow;

/// A host name, address literal, id or the like: nothing that could end a comment, a word or a clause.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(LONGEST_WORD)];
    if text.is_empty() {
        return "unknown".into();
    }
    if text.bytes().all(is_plain) {
        return text.into();
    }
    text.replace(|c| is_special(c) || is_never_fit(c), "?").into()
}

/// A mailbox. Within quotes blanks and punctuation are its own.
pub(super) fn address(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(LONGEST_ADDRESS)];
    if text.bytes().all(|byte| is_plain(byte) || byte == b'@') {
        return text.into();
    }
    let mut inside = Inside::Atoms;
    let clean: String = text
        .chars()
        .map(|c| {
            let own = inside != Inside::Atoms;
            inside = inside.after(c);
            match c {
                ' ' if own => c,
                '@' | '"' => c,
                _ if is_never_fit(c) || (is_special(c) && !own) => '?',
                _ => c,
            }
        })
        .collect();
    // An open quote would swallow what follows.
    match inside {
        Inside::Atoms => clean.into(),
        _ => clean.replace(|c| is_special(c) || c == ' ', "?").into(),
    }
}

/// What nearly all words are made of, and what is fit wherever it stands.
fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

/// A table, for this is asked of every byte of every word of every mail.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'=' | b':' | b'[' | b']');
        byte += 1;
    }
    table
};

/// Where in a local part a character stands.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Atoms,
    Quotes,
    Escape,
}

impl Inside {
    fn after(self, c: char) -> Self {
        match (self, c) {
            (Self::Quotes, '\\') => Self::Escape,
            (Self::Quotes, '"') => Self::Atoms,
            (Self::Atoms, '"') | (Self::Escape | Self::Quotes, _) => Self::Quotes,
            (Self::Atoms, _) => Self::Atoms,
        }
    }
}

/// Characters with a meaning in structured fields (RFC 5322 section 3.2.3); dot, colon and brackets
/// belong to domains and literals.
fn is_special(c: char) -> bool {
    matches!(c, '(' | ')' | '<' | '>' | '@' | ',' | ';' | '\\' | '"')
}

fn is_never_fit(c: char) -> bool {
    c.is_control() || c.is_whitespace()
}

/// In bytes.
const LONGEST_WORD: usize = 255;
/// In bytes.
const LONGEST_ADDRESS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (text, expected) in [
            ("mx.example.org", "mx.example.org"),
            ("[192.0.2.7]", "[192.0.2.7]"),
            ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
            ("bücher.example", "bücher.example"),
            ("", "unknown"),
            ("a b\r\nX: c", "a?b??X:?c"),
            ("a) (b; c\\\"<@>,", "a???b??c??????"),
            ("nul\0esc\x1b[31m\u{85}\u{2028}", "nul?esc?[31m??"),
        ] {
            assert_eq!(word(text), expected, "{text:?}");
        }
        assert_eq!(word(&"é".repeat(500)).len(), 254);
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("", ""),
            ("a@b.example", "a@b.example"),
            ("a+tag=x@[192.0.2.7]", "a+tag=x@[192.0.2.7]"),
            ("用户@例子.example", "用户@例子.example"),
            (r#""a b"@c"#, r#""a b"@c"#),
            (r#""a\"> b"@c"#, r#""a\"> b"@c"#),
            (r#""x)(\\"@c"#, r#""x)(\\"@c"#),
            ("a>@b; c", "a?@b??c"),
            ("a@b\r\nX-Evil: c", "a@b??X-Evil:?c"),
            ("\"a\r\n\x1b\"@b", "\"a???\"@b"),
            (r#""open@b>"#, "?open?b?"),
            (r#""two words@b"#, "?two?words?b"),
            (r#""open\"@b"#, "?open???b"),
        ] {
            assert_eq!(address(text), expected, "{text:?}");
        }
        assert_eq!(address(&"a".repeat(5000)).len(), LONGEST_ADDRESS);
    }
}
