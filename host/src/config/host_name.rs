//! A name for this machine that can go into a greeting, a reply or a `Received` header as it is.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::problem::Findings;

/// A host name or address literal (`[192.0.2.1]`, `[IPv6:2001:db8::1]`), checked.
///
/// It holds ASCII letters, digits, `-`, `_` and dots, or a bracketed address, so it can neither break
/// a line nor smuggle a second word into a reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// What the kernel calls this machine, or `localhost` when that is not a usable name.
    #[must_use]
    pub fn of_this_machine() -> Self {
        fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .and_then(|name| name.trim().parse().ok())
            .unwrap_or_else(|| Self("localhost".to_owned()))
    }

    /// Reads a value of the file; `None` when it is left out, empty or, reported, no host name.
    pub(super) fn check(text: Option<String>, at: &str, findings: &mut Findings) -> Option<Self> {
        let text = text.filter(|text| !text.is_empty())?;
        text.parse()
            .map_err(|error: HostNameError| findings.wrong_value(at, error.to_string()))
            .ok()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let usable = match address_literal(text) {
            Some(_) => true,
            None => text.len() <= LONGEST_NAME && text.split('.').all(is_label),
        };
        if usable { Ok(Self(text.to_owned())) } else { Err(HostNameError(text.to_owned())) }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A text that cannot serve as a host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a host name: use letters, digits, \"-\", \"_\" and dots, or an address in brackets"
)]
pub struct HostNameError(String);

/// The address in `[192.0.2.1]`, `[2001:db8::1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3);
/// an IPv4-mapped IPv6 address is the IPv4 address that it stands for.
pub(super) fn address_literal(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let tagged = inner.split_at_checked(TAG.len()).filter(|(tag, _)| tag.eq_ignore_ascii_case(TAG));
    let address = match tagged {
        Some((_, address)) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => inner.parse().ok(),
    };
    address.map(|address: IpAddr| address.to_canonical())
}

const TAG: &str = "IPv6:";

/// RFC 5321 section 4.5.3.1.2.
const LONGEST_NAME: usize = 255;

/// RFC 1035 section 2.3.4: a label has at most 63 octets. The underscore is not in the RFC and is in use.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_literals_are_accepted_as_written() {
        for text in
            ["mail.Example.com", "localhost", "mx_1", "1.2.3.4", "[192.0.2.1]", "[IPv6:::1]"]
        {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_could_break_a_reply_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = "a.".repeat(127) + "aa";
        for text in
            ["", ".", "a..b", "a b", "a\r\n250 ok", "mäil.example", "a.", "[1.2.3]", &long, &longer]
        {
            assert_eq!(text.parse::<HostName>(), Err(HostNameError(text.to_owned())));
        }
        assert_eq!(
            HostNameError("a b".to_owned()).to_string(),
            r#""a b" is not a host name: use letters, digits, "-", "_" and dots, or an address in brackets"#
        );
    }

    #[test]
    fn this_machine_has_a_name() {
        assert!(!HostName::of_this_machine().as_str().is_empty());
    }

    #[test]
    fn address_literals_have_one_form() {
        let table = [
            ("[192.168.0.1]", Some("192.168.0.1")),
            ("[::FFFF:C0A8:1]", Some("192.168.0.1")),
            ("[IPv6:::ffff:192.168.0.1]", Some("192.168.0.1")),
            ("[ipv6:2001:DB8::1]", Some("2001:db8::1")),
            ("[2001:db8:0:0:0:0:0:1]", Some("2001:db8::1")),
            ("[::1]", Some("::1")),
            ("[IPv6:1.2.3.4]", None),
            ("[1.2.3.400]", None),
            ("1.2.3.4", None),
            ("[]", None),
            ("[ä:::1]", None),
        ];
        for (text, expected) in table {
            assert_eq!(
                address_literal(text),
                expected.map(|address| address.parse().unwrap()),
                "{text}"
            );
        }
    }
}
