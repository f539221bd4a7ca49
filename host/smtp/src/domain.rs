//! Domain names and address literals.
//!
//! **Standards:** RFC 5321 4.1.2 (`Domain`), 4.1.3 (literals), 4.5.3.1.2 (255 octets), RFC 1035 2.3.4
//! (63 octets a label), RFC 6531 3.3 (U-labels).
//!
//! **Limits:** of the tagged literals only `IPv6` exists (the registry has no other), so every other
//! tag is refused. Underscores are refused, as in go-guerrilla.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The part behind the `@`, or the argument of EHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain<'a> {
    /// An address literal.
    Literal {
        /// As written, brackets included.
        text: &'a str,
        /// The address it names.
        ip: IpAddr,
    },
    /// A name, as written (its case is kept).
    Name(&'a str),
}

impl<'a> Domain<'a> {
    /// Reads a domain or a literal. Names beyond ASCII are read too: whether they are welcome is
    /// decided where SMTPUTF8 is known. `None`: the syntax is wrong.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        match text.strip_prefix('[') {
            Some(rest) => {
                let ip = literal(rest.strip_suffix(']')?)?;
                Some(Self::Literal { text, ip })
            }
            None if text.split('.').all(is_label) => Some(Self::Name(text)),
            None => None,
        }
    }

    /// As written; a literal with its brackets.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::Literal { text, .. } | Self::Name(text) => text,
        }
    }

    /// The address of a literal.
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Literal { ip, .. } => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

/// RFC 5321 4.5.3.1.2, in octets.
pub(crate) const DOMAIN_LIMIT: usize = 255;

/// RFC 1035 2.3.4, in octets.
const LABEL_LIMIT: usize = 63;

fn literal(inside: &str) -> Option<IpAddr> {
    let tagged = inside.split_at_checked(5).filter(|(tag, _)| tag.eq_ignore_ascii_case("IPv6:"));
    match tagged {
        Some((_, address)) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => inside.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// `Let-dig [Ldh-str]`, or a U-label.
fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let inner = |&b: &u8| b.is_ascii_alphanumeric() || b == b'-' || !b.is_ascii();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            first != b'-'
                && last != b'-'
                && bytes.len() <= LABEL_LIMIT
                && bytes.iter().all(inner)
                && (label.is_ascii() || label.chars().all(is_label_char))
        }
        _ => false,
    }
}

/// What may stand in a U-label here. IDNA knows more rules; kept out are the characters that could
/// be taken for something else: controls, blanks, and the dots of other scripts.
fn is_label_char(c: char) -> bool {
    c.is_ascii()
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}' | '\u{feff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(63);
        for good in ["a", "example.com", "a--b.c", "1.2.3.4", "xn--bcher-kva.example", &long] {
            assert_eq!(Domain::parse(good), Some(Domain::Name(good)));
        }
        assert!(Domain::parse("bücher.example").is_some());
        let longer = "a".repeat(64);
        for bad in
            ["", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "a>", "a\0", "a\t", &longer]
        {
            assert_eq!(Domain::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Domain::parse("a\u{3002}b"), None);
        assert_eq!(Domain::parse("a\u{85}b"), None);
    }

    #[test]
    fn literals() {
        let v4 = Domain::parse("[192.0.2.1]").unwrap();
        assert_eq!(v4.ip(), Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
        assert_eq!(v4.as_str(), "[192.0.2.1]");
        for good in ["[IPv6:2001:db8::1]", "[ipv6:::1]", "[IPv6:::ffff:192.0.2.1]"] {
            assert!(Domain::parse(good).is_some_and(|d| d.ip().is_some()), "{good}");
        }
        for bad in [
            "[]",
            "[",
            "]",
            "[::1]",
            "[IPv6:]",
            "[IPvX:::1]",
            "[1.2.3]",
            "[1.2.3.256]",
            "[01.2.3.4]",
            "[1.2.3.4",
            "[1.2.3.4]x",
            "[foo]",
            "[x-tag:abc]",
            "[IPv6:fe80::1%eth0]",
        ] {
            assert_eq!(Domain::parse(bad), None, "{bad}");
        }
    }
}
