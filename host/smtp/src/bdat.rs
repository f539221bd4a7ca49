//! The argument of BDAT (RFC 3030 2): `chunk-size [ SP "LAST" ]`.

/// What the client announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// No number, so there is nothing to skip either.
    NoSize,
    /// A number that no chunk can have: the end of it will not come.
    Endless,
    /// A size, and behind it something that is not LAST: the chunk follows all the same.
    Malformed { size: u64 },
    /// As it should be.
    Sized { size: u64, last: bool },
}

impl Chunk {
    pub(crate) fn parse(argument: Option<&[u8]>) -> Self {
        let argument = argument.unwrap_or_default();
        let (digits, rest) = match memchr::memchr(b' ', argument) {
            Some(blank) => (&argument[..blank], Some(&argument[blank + 1..])),
            None => (argument, None),
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Self::NoSize;
        }
        let size = digits.iter().try_fold(0_u64, |size, digit| {
            size.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        match (size, rest) {
            (None, _) => Self::Endless,
            (Some(size), None) => Self::Sized { size, last: false },
            (Some(size), Some(word)) if word.eq_ignore_ascii_case(b"LAST") => {
                Self::Sized { size, last: true }
            }
            (Some(size), Some(_)) => Self::Malformed { size },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses() {
        let parse = |text: &'static str| Chunk::parse(Some(text.as_bytes()));
        assert_eq!(parse("0"), Chunk::Sized { size: 0, last: false });
        assert_eq!(parse("12 last"), Chunk::Sized { size: 12, last: true });
        assert_eq!(parse("18446744073709551615"), Chunk::Sized { size: u64::MAX, last: false });
        assert_eq!(parse("18446744073709551616"), Chunk::Endless);
        for malformed in ["12 LASTX", "12 ", "12  LAST", "12 LAST LAST"] {
            assert_eq!(parse(malformed), Chunk::Malformed { size: 12 });
        }
        for bad in ["", "x", "-1", "+1", "1x", "0x10", " 12", "LAST"] {
            assert_eq!(parse(bad), Chunk::NoSize);
        }
        assert_eq!(Chunk::parse(None), Chunk::NoSize);
    }
}
