//! Unstructured header text, decoded (RFC 2047), more leniently than the standard asks: broken senders are common.
//!
//! - Encoded words are found anywhere, also without blanks round them; a language (RFC 2231 section 5) is skipped.
//! - Blanks between adjacent words are dropped, and adjacent words of one charset are decoded as one: senders cut
//!   words in the midst of a character.
//! - Base64 may lack its padding; text that needs no decoding may hold `=`, `?` and raw 8-bit bytes.
//! - What cannot be decoded stays as it was written. The result is one line: control characters become blanks.
//!
//! *Trust*: strangers' bytes; every step is linear in their number.

use std::borrow::Cow;
use std::ops::Range;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;
use memchr::{memchr, memchr_iter, memmem};

/// Decodes a field's value, which may be folded.
pub(super) fn decode(value: &[u8]) -> String {
    let line = unfold(value.trim_ascii());
    let mut decoded = Decoded { line: &line, text: String::new(), run: None };
    let begin = memmem::Finder::new(b"=?");
    let (mut done, mut at) = (0, 0);
    while let Some(found) = begin.find(&line[at..]) {
        let start = at + found;
        match EncodedWord::read(&line[start..]) {
            Some(word) => {
                let end = start + word.len;
                decoded.between(done..start);
                decoded.word(word, start..end);
                (done, at) = (end, end);
            }
            None => at = start + 2,
        }
    }
    decoded.flush();
    decoded.plain(done..line.len());
    one_line(decoded.text)
}

/// Joins folded lines: a line end and the blanks round it become one blank.
fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let is_line_end = |b: &u8| matches!(b, b'\r' | b'\n');
    if !value.iter().any(is_line_end) {
        return value.into();
    }
    let mut line = Vec::with_capacity(value.len());
    for part in value.split(is_line_end) {
        let part = part.trim_ascii();
        if !part.is_empty() && !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(part);
    }
    line.into()
}

/// The text decoded so far.
struct Decoded<'a> {
    line: &'a [u8],
    text: String,
    /// Words that are not in the text yet: more of their charset may follow.
    run: Option<Run<'a>>,
}

/// Adjacent encoded words of one charset.
struct Run<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
    written: Range<usize>,
}

impl<'a> Decoded<'a> {
    /// What stands in front of an encoded word.
    fn between(&mut self, range: Range<usize>) {
        if self.run.is_none() || !self.line[range.clone()].trim_ascii().is_empty() {
            self.flush();
            self.plain(range);
        }
    }

    fn word(&mut self, word: EncodedWord<'a>, range: Range<usize>) {
        let EncodedWord { charset, bytes, .. } = word;
        match &mut self.run {
            Some(run) if run.charset.eq_ignore_ascii_case(charset) => {
                run.bytes.extend_from_slice(&bytes);
                run.written.end = range.end;
            }
            _ => {
                self.flush();
                self.run = Some(Run { charset, bytes, written: range });
            }
        }
    }

    fn flush(&mut self) {
        if let Some(run) = self.run.take() {
            match to_text(run.charset, run.bytes) {
                Some(text) => self.text.push_str(&text),
                None => self.plain(run.written),
            }
        }
    }

    /// Text that is not encoded. Raw 8-bit text is UTF-8 or else most likely Windows-1252.
    fn plain(&mut self, range: Range<usize>) {
        let bytes = &self.line[range];
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => match charset_decoder(b"windows-1252") {
                Some(decode) => self.text.push_str(&decode(bytes)),
                None => self.text.push_str(&String::from_utf8_lossy(bytes)),
            },
        }
    }
}

/// `=?charset[*language]?encoding?payload?=`
struct EncodedWord<'a> {
    charset: &'a [u8],
    /// The payload, decoded.
    bytes: Vec<u8>,
    /// Length as written.
    len: usize,
}

impl<'a> EncodedWord<'a> {
    /// Reads the word that begins the text, if one does. Looks no further than to the next `=?`.
    fn read(text: &'a [u8]) -> Option<Self> {
        let label = text.strip_prefix(b"=?")?;
        let label = &label[..memchr(b'?', label)?];
        let charset = label.split(|b| *b == b'*').next().unwrap_or_default();
        if charset.is_empty() || !charset.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let [encoding, b'?', payload @ ..] = &text[2 + label.len() + 1..] else { return None };
        let payload = &payload[..end_of_payload(payload)?];
        let bytes = match encoding {
            b'Q' | b'q' => decode_q(payload),
            b'B' | b'b' => base64_decode(payload)?,
            _ => return None,
        };
        Some(Self { charset, bytes, len: "=??Q??=".len() + label.len() + payload.len() })
    }
}

/// Finds `?=`. When `=?` comes first, the word has no end and another one begins.
fn end_of_payload(payload: &[u8]) -> Option<usize> {
    for mark in memchr_iter(b'?', payload) {
        if payload.get(mark + 1) == Some(&b'=') {
            return Some(mark);
        }
        if payload[..mark].ends_with(b"=") {
            return None;
        }
    }
    None
}

/// The Q encoding (RFC 2047 section 4.2). A `=` without two hexadecimal digits stands for itself.
fn decode_q(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len());
    let mut rest = payload;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let escaped = match (first, tail) {
            (b'=', [high, low, ..]) => quoted_printable_decode_char(*high, *low),
            _ => None,
        };
        match (escaped, first) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (None, b'_') => bytes.push(b' '),
            (None, other) => bytes.push(*other),
        }
    }
    bytes
}

/// Bytes of a charset as text. `None`: nobody knows what they mean.
fn to_text(charset: &[u8], bytes: Vec<u8>) -> Option<String> {
    if let Some(decode) = charset_decoder(charset) {
        return Some(decode(&bytes));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(e) if is_utf8(charset) => Some(String::from_utf8_lossy(e.as_bytes()).into_owned()),
        Err(_) => None,
    }
}

fn is_utf8(charset: &[u8]) -> bool {
    charset.eq_ignore_ascii_case(b"utf-8") || charset.eq_ignore_ascii_case(b"utf8")
}

/// Decoded bytes may hold line ends and NULs, which would break what the subject is written to.
fn one_line(text: String) -> String {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if text.contains(is_break) { text.replace(is_break, " ") } else { text }
}

#[cfg(test)]
mod tests;
