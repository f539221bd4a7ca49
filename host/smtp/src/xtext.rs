//! xtext: how arbitrary bytes travel in a parameter (RFC 3461 4).

use std::borrow::Cow;

/// Text in which `+XX` stands for a byte; checked when it was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xtext<'a>(&'a str);

impl<'a> Xtext<'a> {
    /// Printable ASCII without `+` and `=`, or `+` and two upper-case hexadecimal digits.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'+' => {
                    hex(bytes.next()?)?;
                    hex(bytes.next()?)?;
                }
                b'!'..=b'~' if byte != b'=' => {}
                _ => return None,
            }
        }
        Some(Self(text))
    }

    /// As it came over the wire.
    #[must_use]
    pub const fn as_written(&self) -> &'a str {
        self.0
    }

    /// The bytes it stands for: whatever the client likes, control characters included.
    #[must_use]
    pub fn decode(&self) -> Cow<'a, [u8]> {
        if !self.0.contains('+') {
            return Cow::Borrowed(self.0.as_bytes());
        }
        let mut plain = Vec::with_capacity(self.0.len());
        let mut bytes = self.0.bytes();
        while let Some(byte) = bytes.next() {
            let pair = |high: Option<u8>, low: Option<u8>| Some(hex(high?)? << 4 | hex(low?)?);
            plain.extend(match byte {
                b'+' => pair(bytes.next(), bytes.next()),
                byte => Some(byte),
            });
        }
        Cow::Owned(plain)
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        for (text, plain) in [("abc", &b"abc"[..]), ("a+2Bb+3D", b"a+b="), ("+00+FF", b"\0\xff")] {
            assert_eq!(Xtext::parse(text).map(|x| x.decode().into_owned()), Some(plain.to_vec()));
        }
        for bad in ["+", "+2", "+2b", "+G0", "a=b", "a b", "\u{e9}", "\x07"] {
            assert_eq!(Xtext::parse(bad), None, "{bad:?}");
        }
    }
}
