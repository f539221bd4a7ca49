//! Replies on their way out, read again for the figures: whoever wrote them, here all of them pass.

use guerrilla_smtp::replies::{TOO_BIG, TOO_MANY_RECIPIENTS};

use super::Limit;
use crate::net::decided::no_room;

/// The last line of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) code: u16,
    /// With the line end.
    text: &'a [u8],
}

/// The replies in a buffer that holds whole ones.
pub(super) fn replies(mut bytes: &[u8]) -> impl Iterator<Item = Said<'_>> {
    std::iter::from_fn(move || {
        loop {
            let end = memchr::memchr(b'\n', bytes)? + 1;
            let line;
            (line, bytes) = bytes.split_at(end);
            if let [a, b, c, b' ', text @ ..] = line {
                let digit = |byte: &u8| u16::from(byte.wrapping_sub(b'0'));
                let code = digit(a) * 100 + digit(b) * 10 + digit(c);
                return Some(Said { code, text });
            }
        }
    })
}

impl Said<'_> {
    /// The limit that this reply tells of, by its own words: processors may use the codes for what they like.
    pub(super) fn limit(&self) -> Option<Limit> {
        let says = |text: &str| self.text.trim_ascii_end().ends_with(text.as_bytes());
        match self.code {
            552 if says(TOO_BIG.text()) => Some(Limit::Size),
            452 if says(TOO_MANY_RECIPIENTS.text()) => Some(Limit::Recipients),
            452 if says(no_room().text()) => Some(Limit::Memory),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_for_each_last_line() {
        let bytes = b"220 host\r\n250-host\r\n250-SIZE 1\r\n250 HELP\r\n354 go on\r\n";
        let codes: Vec<u16> = replies(bytes).map(|said| said.code).collect();
        assert_eq!(codes, [220, 250, 354]);
    }

    #[test]
    fn limits_are_told_by_their_words() {
        let of = |bytes: &[u8]| replies(bytes).next().and_then(|said| said.limit());
        let mut out = Vec::new();
        TOO_BIG.write(&mut out);
        assert_eq!(of(&out), Some(Limit::Size));
        assert_eq!(of(b"452 Too many recipients\r\n"), Some(Limit::Recipients));
        assert_eq!(of(b"552 5.3.4 I do not like it\r\n"), None);
    }
}
