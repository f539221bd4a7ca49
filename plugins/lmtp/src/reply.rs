//! Replies of the store, from octets however they are cut.
//!
//! Standards: RFC 5321 section 4.2 (form), RFC 2034 (enhanced status codes).
//!
//! Limits: a reply has 16 KiB at most.

/// One whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// Such as `5.1.1`; empty where there is none.
    pub(crate) enhanced: String,
    /// Text of each line, without codes.
    pub(crate) lines: Vec<String>,
}

/// Cuts replies out of what is read.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    buffer: Vec<u8>,
}

/// This is not LMTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("not a reply of LMTP: {0:?}")]
    Line(String),
    #[error("a reply of more than 16 KiB")]
    TooLong,
}

impl Replies {
    /// Takes what was read.
    pub(crate) fn receive(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// The next reply, once it is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Reply>, Malformed> {
        let (mut at, mut lines) = (0, Vec::new());
        while let Some(length) = memchr::memchr(b'\n', &self.buffer[at..]) {
            let line = &self.buffer[at..at + length];
            at += length + 1;
            let line = Line::read(line.strip_suffix(b"\r").unwrap_or(line))?;
            let last = line.is_last;
            lines.push(line);
            if last {
                self.buffer.drain(..at);
                return Reply::of(lines).map(Some);
            }
        }
        if self.buffer.len() > MOST { Err(Malformed::TooLong) } else { Ok(None) }
    }

    /// Whether something is left that was not asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl Reply {
    /// Of class 2 (or 3, for DATA).
    pub(crate) fn is_positive(&self) -> bool {
        matches!(self.code / 100, 2 | 3)
    }

    fn of(lines: Vec<Line>) -> Result<Self, Malformed> {
        let code = lines.first().map_or(0, |line| line.code);
        if let Some(odd) = lines.iter().find(|line| line.code != code) {
            return Err(Malformed::Line(format!("{} in a reply {code}", odd.code)));
        }
        let enhanced = lines.first().and_then(|line| enhanced(&line.text, code));
        let enhanced = enhanced.unwrap_or_default().to_owned();
        let texts = lines.iter().map(|line| {
            let rest = line.text.strip_prefix(enhanced.as_str()).filter(|_| !enhanced.is_empty());
            rest.map_or(line.text.as_str(), str::trim_start).to_owned()
        });
        Ok(Self { code, lines: texts.collect(), enhanced })
    }
}

struct Line {
    code: u16,
    is_last: bool,
    text: String,
}

impl Line {
    fn read(line: &[u8]) -> Result<Self, Malformed> {
        let malformed =
            || Malformed::Line(String::from_utf8_lossy(line).chars().take(80).collect());
        let (code, rest) = line.split_at_checked(3).ok_or_else(malformed)?;
        let digits = code.iter().all(u8::is_ascii_digit) && (b'2'..=b'5').contains(&code[0]);
        let is_last = match rest.first() {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return Err(malformed()),
        };
        if !digits {
            return Err(malformed());
        }
        let number = code.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let text = String::from_utf8_lossy(rest.get(1..).unwrap_or_default()).into_owned();
        Ok(Self { code: number, is_last, text })
    }
}

/// The enhanced status code in front of a text, when it is of the reply's class.
fn enhanced(text: &str, code: u16) -> Option<&str> {
    let word = text.split(' ').next()?;
    let parts: Vec<&str> = word.split('.').collect();
    let is_number = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit())
    };
    let fits = parts.len() == 3 && parts.iter().all(is_number);
    (fits && parts[0] == (code / 100).to_string()).then_some(word)
}

const MOST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], cut: usize) -> Vec<Reply> {
        let (mut replies, mut found) = (Replies::default(), Vec::new());
        for piece in [&text[..cut], &text[cut..]] {
            replies.receive(piece);
            while let Some(reply) = replies.next().unwrap() {
                found.push(reply);
            }
        }
        assert!(replies.is_empty());
        found
    }

    #[test]
    fn replies_are_the_same_at_every_cut() {
        let text = b"250-store.test\r\n250-PIPELINING\r\n250 SIZE 1000\r\n550 5.1.1 <x@y> No such user\r\n250-2.1.5 a\n250 2.1.5 b\n354\r\n";
        let expected = all(text, 0);
        assert_eq!(expected.len(), 4);
        assert_eq!(expected[0].lines, ["store.test", "PIPELINING", "SIZE 1000"]);
        assert_eq!((expected[1].code, expected[1].enhanced.as_str()), (550, "5.1.1"));
        assert_eq!(expected[1].lines, ["<x@y> No such user"]);
        assert_eq!(expected[2].lines, ["a", "b"]);
        assert_eq!((expected[3].code, expected[3].lines.as_slice()), (354, &[String::new()][..]));
        for cut in 0..text.len() {
            assert_eq!(all(text, cut), expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for text in [
            "HTTP/1.1 400\r\n",
            "25\r\n",
            "150 x\r\n",
            "650 x\r\n",
            "250_x\r\n",
            "250-a\r\n251 b\r\n",
            "\r\n",
        ] {
            let mut replies = Replies::default();
            replies.receive(text.as_bytes());
            assert!(matches!(replies.next(), Err(Malformed::Line(_))), "{text:?}");
        }
        let mut replies = Replies::default();
        replies.receive(&vec![b'2'; MOST + 1]);
        assert_eq!(replies.next(), Err(Malformed::TooLong));
    }

    #[test]
    fn an_enhanced_code_of_another_class_is_text() {
        let reply = &all(b"450 5.1.1 odd\r\n", 0)[0];
        assert_eq!((reply.enhanced.as_str(), reply.lines[0].as_str()), ("", "5.1.1 odd"));
    }
}
