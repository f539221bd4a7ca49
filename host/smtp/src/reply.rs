//! One reply and how it is written.
//!
//! **Trust:** texts come from processors and may hold anything. The writer is the only way to the
//! wire: it turns line breaks into continuation lines, replaces every other byte that is not
//! printable ASCII, and folds, so that no text can forge a second reply.
//!
//! **Standards:** RFC 5321 4.2 (form), 4.5.3.1.5 (512 octets a line), RFC 2034 3 (the enhanced code
//! stands on every line and its class is the first digit of the reply code), RFC 6531 3.7.4 (ASCII
//! is always right).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A reply: three digits, an enhanced status code (RFC 3463) and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    code: u16,
    enhanced: Option<Enhanced>,
    text: Cow<'a, str>,
}

impl<'a> Reply<'a> {
    /// A reply of class 2, 4 or 5. Lines of `text` are parted by `\n`.
    ///
    /// # Errors
    /// [`InvalidCode`] when `code` is not 2xx, 4xx or 5xx with a second digit of at most 5 (RFC 5321 4.2): the
    /// go-ahead codes 3xx belong to the protocol and are not for others to send.
    pub fn new(
        code: u16,
        enhanced: Option<Enhanced>,
        text: impl Into<Cow<'a, str>>,
    ) -> Result<Self, InvalidCode> {
        match code {
            200..=259 | 400..=459 | 500..=559 => Ok(Self { code, enhanced, text: text.into() }),
            _ => Err(InvalidCode(code)),
        }
    }

    /// An entry of the table in [`crate::replies`].
    pub(crate) const fn fixed(
        code: u16,
        enhanced: Option<Enhanced>,
        text: &'static str,
    ) -> Reply<'static> {
        Reply { code, enhanced, text: Cow::Borrowed(text) }
    }

    /// The same reply with lines of text before its own.
    pub(crate) fn below(&self, text: &str) -> Reply<'static> {
        Reply {
            code: self.code,
            enhanced: self.enhanced,
            text: Cow::Owned(format!("{text}\n{}", self.text)),
        }
    }

    /// The three digits.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code, if there is one.
    #[must_use]
    pub const fn enhanced(&self) -> Option<Enhanced> {
        self.enhanced
    }

    /// The text; lines are parted by `\n`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the code says yes (2xx).
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Appends the reply as it goes over the wire, CRLF included.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_lines(out, self.code, self.enhanced, &self.text);
    }

    /// The same without the enhanced code: for the greeting and the answers to HELO and EHLO, which
    /// RFC 2034 section 4 excludes, and for servers that do not offer the codes.
    pub(crate) fn write_plain(&self, out: &mut Vec<u8>) {
        write_lines(out, self.code, None, &self.text);
    }
}

/// An enhanced status code, RFC 3463: `class.subject.detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced {
    /// 2, 4 or 5. On the wire the first digit of the reply code stands in its place (RFC 2034 3).
    pub class: u8,
    /// The subject, at most three digits.
    pub subject: u16,
    /// The detail, at most three digits.
    pub detail: u16,
}

impl Enhanced {
    /// `class.subject.detail`.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl FromStr for Enhanced {
    type Err = InvalidEnhanced;

    /// Reads `c.sss.ddd`: class 2, 4 or 5, one to three digits each for the others.
    fn from_str(text: &str) -> Result<Self, InvalidEnhanced> {
        let number = |part: Option<&str>| {
            let part = part?;
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse::<u16>().ok() } else { None }
        };
        let mut parts = text.split('.');
        let (class, subject, detail) =
            (number(parts.next()), number(parts.next()), number(parts.next()));
        match (class, subject, detail, parts.next()) {
            (Some(class @ (2 | 4 | 5)), Some(subject), Some(detail), None) => {
                Ok(Self { class: class as u8, subject, detail })
            }
            _ => Err(InvalidEnhanced),
        }
    }
}

/// The code given to [`Reply::new`] is not 2xx, 4xx or 5xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCode(pub u16);

impl fmt::Display for InvalidCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a reply code: use 2xx, 4xx or 5xx", self.0)
    }
}

impl std::error::Error for InvalidCode {}

/// The text is not an enhanced status code of RFC 3463.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEnhanced;

impl fmt::Display for InvalidEnhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an enhanced status code: use class.subject.detail, as in 5.7.1")
    }
}

impl std::error::Error for InvalidEnhanced {}

/// RFC 5321 4.5.3.1.5: a reply line, code and CRLF included.
pub(crate) const LINE_LIMIT: usize = 512;

/// A processor's text may be long, but a reply has to stay a reply.
const MAX_LINES: usize = 50;

/// Appends one reply: one line, or several joined by `-` after the code.
pub(crate) fn write_lines(out: &mut Vec<u8>, code: u16, enhanced: Option<Enhanced>, text: &str) {
    let prefix = Prefix::new(code, enhanced);
    let room = LINE_LIMIT - prefix.len - 2;
    let plain = |text: &str| text.len() <= room && text.bytes().all(|b| (b' '..=b'~').contains(&b));
    if plain(text) {
        return prefix.line(out, true, text.as_bytes());
    }
    let clean = clean(text);
    let mut pieces = clean.split(|&b| b == b'\n').flat_map(|line| Fold { rest: Some(line), room });
    let mut next = pieces.next();
    let mut lines = 0;
    while let Some(piece) = next {
        lines += 1;
        next = pieces.next().filter(|_| lines < MAX_LINES);
        prefix.line(out, next.is_none(), piece);
    }
}

/// `250 2.1.0 ` in a fixed array: what every line of a reply starts with.
struct Prefix {
    bytes: [u8; 16],
    len: usize,
}

impl Prefix {
    fn new(code: u16, enhanced: Option<Enhanced>) -> Self {
        let mut this = Self { bytes: [0; 16], len: 0 };
        // The digits of a code are masked into range, so that no value can write out of bounds.
        let code = code % 1000;
        this.number(code);
        this.push(b' ');
        if let Some(enhanced) = enhanced {
            this.number(code / 100);
            this.push(b'.');
            this.number(enhanced.subject % 1000);
            this.push(b'.');
            this.number(enhanced.detail % 1000);
            this.push(b' ');
        }
        this
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// At most three digits.
    fn number(&mut self, value: u16) {
        if value >= 100 {
            self.push(b'0' + (value / 100 % 10) as u8);
        }
        if value >= 10 {
            self.push(b'0' + (value / 10 % 10) as u8);
        }
        self.push(b'0' + (value % 10) as u8);
    }

    fn line(&self, out: &mut Vec<u8>, last: bool, text: &[u8]) {
        let start = out.len();
        out.extend_from_slice(&self.bytes[..self.len]);
        out.extend_from_slice(text);
        if text.is_empty() && self.len > 4 {
            out.pop(); // no blank after an enhanced code that stands alone
        }
        if !last {
            out[start + 3] = b'-';
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Line breaks become `\n`, tabs blanks, and what is not printable ASCII a question mark (one for
/// each character, not for each byte).
fn clean(text: &str) -> Vec<u8> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let mut clean = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' => clean.push(b'\n'),
            '\t' => clean.push(b' '),
            ' '..='~' => clean.push(c as u8),
            _ => clean.push(b'?'),
        }
    }
    clean
}

/// Cuts a line into pieces of at most `room` bytes, at a blank where there is one.
struct Fold<'a> {
    rest: Option<&'a [u8]>,
    room: usize,
}

impl<'a> Iterator for Fold<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest.take()?;
        if line.len() <= self.room {
            return Some(line);
        }
        let head = &line[..self.room];
        let (piece, rest) = match memchr::memrchr(b' ', head) {
            Some(blank) if blank > 0 => (&line[..blank], &line[blank + 1..]),
            _ => line.split_at(self.room),
        };
        self.rest = Some(rest);
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(code: u16, enhanced: Option<Enhanced>, text: &str) -> String {
        let mut out = Vec::new();
        Reply::new(code, enhanced, text).unwrap().write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line() {
        assert_eq!(wire(250, Some(Enhanced::new(2, 1, 0)), "OK"), "250 2.1.0 OK\r\n");
        assert_eq!(wire(250, None, ""), "250 \r\n");
        assert_eq!(wire(250, Some(Enhanced::new(2, 1, 0)), ""), "250 2.1.0\r\n");
    }

    #[test]
    fn class_of_the_enhanced_code_follows_the_reply_code() {
        assert_eq!(wire(451, Some(Enhanced::new(5, 7, 1)), "later"), "451 4.7.1 later\r\n");
    }

    #[test]
    fn no_text_can_forge_a_reply() {
        let forged = wire(550, Some(Enhanced::new(5, 7, 1)), "no\r\n250 2.0.0 OK\rx\0é\u{7f}\t|\n");
        assert_eq!(forged, "550-5.7.1 no\r\n550-5.7.1 250 2.0.0 OK\r\n550 5.7.1 x??? |\r\n");
    }

    #[test]
    fn long_texts_fold_at_512_octets() {
        let words = "word ".repeat(300);
        let wire = wire(550, Some(Enhanced::new(5, 7, 100)), &words);
        let lines: Vec<&str> = wire.split_inclusive("\r\n").collect();
        assert!(lines.len() >= 3);
        assert!(lines.iter().all(|line| line.len() <= LINE_LIMIT && line.ends_with("\r\n")));
        assert!(lines[0].starts_with("550-5.7.100 word"));
        assert!(lines[lines.len() - 1].starts_with("550 5.7.100 "));
        assert_eq!(wire.matches("word").count(), 300);
        let solid = self::wire(550, None, &"x".repeat(2000));
        assert!(solid.split_inclusive("\r\n").all(|line| line.len() <= LINE_LIMIT));
        assert_eq!(solid.matches('x').count(), 2000);
    }

    #[test]
    fn enhanced_codes_parse() {
        assert_eq!("5.7.26".parse(), Ok(Enhanced::new(5, 7, 26)));
        for bad in ["", "5", "5.7", "5.7.1.2", "3.1.1", "5.7.1000", "5..1", "5.7.-1", "5.7.+1"] {
            assert_eq!(bad.parse::<Enhanced>(), Err(InvalidEnhanced), "{bad}");
        }
        assert_eq!(Enhanced::new(4, 4, 2).to_string(), "4.4.2");
    }

    #[test]
    fn codes_outside_the_classes_are_refused() {
        for code in [0, 199, 260, 300, 354, 399, 460, 499, 560, 600, u16::MAX] {
            assert_eq!(Reply::new(code, None, ""), Err(InvalidCode(code)));
        }
    }
}
