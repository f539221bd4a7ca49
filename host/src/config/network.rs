//! A block of IP addresses in CIDR notation, for lists of trusted peers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IP network such as `10.0.0.0/8`; a lone address is a network of one.
///
/// ```
/// # use guerrilla::config::Network;
/// let network: Network = "192.0.2.0/24".parse()?;
/// assert!(network.contains("192.0.2.77".parse()?));
/// assert!(network.contains("::ffff:192.0.2.77".parse()?));
/// assert!(!network.contains("192.0.3.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address lies in the network. An IPv4-mapped IPv6 address, which is what a
    /// dual-stack socket reports for IPv4 peers, is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix) == self.first
    }

    /// The networks of this machine itself: `127.0.0.0/8` and `::1`.
    #[must_use]
    pub fn loopback() -> [Self; 2] {
        [
            Self { first: Ipv4Addr::new(127, 0, 0, 0).into(), prefix: 8 },
            Self { first: Ipv6Addr::LOCALHOST.into(), prefix: 128 },
        ]
    }

    /// Whether every address of its family is inside.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let not_a_network = || NetworkError::NotANetwork(text.to_owned());
        let address: IpAddr = address.parse().map_err(|_| not_a_network())?;
        // Peers are compared in their IPv4 form, so a mapped network could never hold one.
        if address.to_canonical() != address {
            return Err(not_a_network());
        }
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            // `u8::from_str` would let a sign through.
            Some(digits) if digits.starts_with('+') => return Err(not_a_network()),
            Some(digits) => digits.parse().map_err(|_| not_a_network())?,
        };
        if prefix > bits {
            return Err(not_a_network());
        }
        let network = Self { first: masked(address, prefix), prefix };
        if network.first == address {
            Ok(network)
        } else {
            Err(NetworkError::HostBits(text.to_owned(), network))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The address has bits set that the prefix leaves open, so it is unclear what was meant.
    #[error(
        "{0:?} names one address inside a network: \
         write \"{1}\" for the network, or leave the prefix out"
    )]
    HostBits(String, Network),
    /// Not an address with an optional prefix length.
    #[error("{0:?} is not an address or network such as \"192.0.2.7\" or \"10.0.0.0/8\"")]
    NotANetwork(String),
}

/// The address with all bits behind the prefix cleared. The prefix is within the family's width.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("10.0.0.0/8", "2001:db8::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
        ];
        for (network, address, expected) in table {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), expected, "{network} {address}");
        }
    }

    #[test]
    fn loopback_is_this_machine() {
        let inside = |address: &str| {
            Network::loopback().iter().any(|network| network.contains(address.parse().unwrap()))
        };
        assert!(inside("127.0.0.1") && inside("127.9.9.9") && inside("::1"));
        assert!(!inside("128.0.0.1") && !inside("::2"));
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10/8",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "a/8",
            "::ffff:10.0.0.0/104",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::NotANetwork(text.to_owned())));
        }
        assert_eq!(
            "10.1.2.3/8".parse::<Network>().unwrap_err().to_string(),
            r#""10.1.2.3/8" names one address inside a network: write "10.0.0.0/8" for the network, or leave the prefix out"#
        );
    }
}
