//! Where a server listens: `listen_interface`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::problem::Findings;
use super::raw::RawServer;

/// The address of a listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// An IP address and port; port 0 lets the kernel choose.
    Tcp {
        /// `:25` in the file is `[::]:25` here.
        address: SocketAddr,
        /// Whether an IPv6 socket leaves IPv4 alone. With `false`, `[::]` takes IPv4 peers too, as in
        /// go-guerrilla; on a machine without IPv6 `0.0.0.0` is to be bound in its place.
        v6only: bool,
    },
    /// A Unix stream socket.
    Unix {
        /// Where the socket file is made.
        path: PathBuf,
        /// Its permission bits; `None` leaves them to the umask.
        mode: Option<u32>,
        /// Who it is given to, `user`, `user:group` or `:group`, by name or number; `None` leaves it to the daemon's.
        owner: Option<String>,
    },
}

impl Listen {
    /// Reads `listen_interface` with `v6only`, `unix_mode` and `unix_owner`, each of which makes sense for one kind
    /// of socket only.
    pub(super) fn check(raw: &RawServer, findings: &mut Findings) -> Option<Self> {
        let at = format!("{}.listen_interface", raw.at);
        let Some(text) = raw.listen_interface.as_deref().filter(|text| !text.is_empty()) else {
            if !findings.has_error_at(&at) {
                findings.error(at, "required, give ip:port such as \"127.0.0.1:2525\"");
            }
            return None;
        };
        let mode = raw.unix_mode.as_deref().and_then(|mode| unix_mode(mode, &raw.at, findings));
        let listen = match text.parse::<Self>() {
            Ok(listen) => listen,
            Err(error) => {
                findings.wrong_value(&at, error.to_string());
                return None;
            }
        };
        let idle = |findings: &mut Findings, key: &str, kind: &str| {
            findings
                .warn(format!("{}.{key}", raw.at), format!("has no effect: {text} is not {kind}"));
        };
        match listen {
            Self::Tcp { address, .. } => {
                if raw.unix_mode.is_some() {
                    idle(findings, "unix_mode", "a Unix socket");
                }
                if raw.unix_owner.is_some() {
                    idle(findings, "unix_owner", "a Unix socket");
                }
                if raw.v6only.is_some() && address.is_ipv4() {
                    idle(findings, "v6only", "an IPv6 address");
                }
                let v6only = address.is_ipv6() && raw.v6only.unwrap_or(false);
                Some(Self::Tcp { address, v6only })
            }
            Self::Unix { path, .. } => {
                if raw.v6only.is_some() {
                    idle(findings, "v6only", "an IPv6 address");
                }
                let owner = raw.unix_owner.clone().filter(|owner| !owner.is_empty());
                Some(Self::Unix { path, mode, owner })
            }
        }
    }

    /// Whether it is the same in another spelling, or all addresses of both families twice.
    pub(super) fn is_again(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { address: a, .. }, Self::Tcp { address: b, .. }) => {
                a == b
                    || (self.clashes_with(other)
                        && a.ip().is_unspecified()
                        && b.ip().is_unspecified())
            }
            _ => self.clashes_with(other),
        }
    }

    /// Whether both cannot be bound at once: they are the same, or one of them is every address there is.
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp { address: a, .. }, Self::Tcp { address: b, .. }) if a == b => true,
            (Self::Tcp { address: a, .. }, Self::Tcp { address: b, .. }) => {
                let is_one_port = a.port() != 0 && a.port() == b.port();
                is_one_port && (self.takes_all_of(other) || other.takes_all_of(self))
            }
            (Self::Unix { path: a, .. }, Self::Unix { path: b, .. }) => a == b,
            _ => false,
        }
    }

    /// Whether it listens on every address of the family of the other.
    fn takes_all_of(&self, other: &Self) -> bool {
        let (Self::Tcp { address, v6only }, Self::Tcp { address: of, .. }) = (self, other) else {
            return false;
        };
        match address.ip() {
            IpAddr::V4(ip) => ip == Ipv4Addr::UNSPECIFIED && of.is_ipv4(),
            IpAddr::V6(ip) => ip == Ipv6Addr::UNSPECIFIED && (of.is_ipv6() || !v6only),
        }
    }
}

impl Default for Listen {
    /// 127.0.0.1:2525, the server that runs when the config names none.
    fn default() -> Self {
        Self::Tcp { address: (Ipv4Addr::LOCALHOST, 2525).into(), v6only: false }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    /// Reads `ip:port`, `[ip]:port`, `:port`, `localhost:port` or `unix:/path`.
    ///
    /// No other names: what they resolve to can change between two starts.
    fn from_str(text: &str) -> Result<Self, ListenError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        let every_address: IpAddr = Ipv6Addr::UNSPECIFIED.into();
        let named = text.rsplit_once(':').and_then(|(host, port)| {
            let address = match host {
                "" => every_address,
                "localhost" => Ipv4Addr::LOCALHOST.into(),
                _ => return None,
            };
            // The digits are checked because `parse` would let a sign through.
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            port.parse().ok().filter(|_| digits).map(|port| SocketAddr::new(address, port))
        });
        match named.or_else(|| text.parse().ok()) {
            Some(address) => Ok(Self::Tcp { address, v6only: false }),
            None => Err(ListenError::NotAnAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, .. } => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a text does not say where to listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Not one of the forms.
    #[error(
        "{0:?} is not ip:port such as \"127.0.0.1:2525\", \"[::1]:25\" or \":25\", nor unix:/path"
    )]
    NotAnAddress(String),
    /// The kernel has no room for the path.
    #[error("{0:?} is too long: the path of a Unix socket has at most {LONGEST_PATH} bytes")]
    PathTooLong(String),
}

/// `sun_path` of Linux has 108 bytes with the closing NUL.
const LONGEST_PATH: usize = 107;

fn unix(path: &str) -> Result<Listen, ListenError> {
    if path.is_empty() || path.contains(char::is_control) {
        return Err(ListenError::NotAnAddress(format!("unix:{path}")));
    }
    if path.len() > LONGEST_PATH {
        return Err(ListenError::PathTooLong(path.to_owned()));
    }
    Ok(Listen::Unix { path: path.into(), mode: None, owner: None })
}

/// Permission bits as `chmod` takes them. JSON has no octal numbers, hence the string.
fn unix_mode(text: &str, at: &str, findings: &mut Findings) -> Option<u32> {
    let octal = text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    if mode.is_none() {
        findings.error(
            format!("{at}.unix_mode"),
            format!("expected permission bits in octal such as \"0660\", found {text:?}"),
        );
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let table = [
            ("127.0.0.1:2525", "127.0.0.1:2525"),
            ("0.0.0.0:25", "0.0.0.0:25"),
            ("[::1]:25", "[::1]:25"),
            ("[2001:DB8::1]:0", "[2001:db8::1]:0"),
            (":25", "[::]:25"),
            ("localhost:25", "127.0.0.1:25"),
            ("unix:/run/g.sock", "unix:/run/g.sock"),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            ":",
            "25",
            "127.0.0.1",
            "127.0.0.1:",
            "::1",
            "::1:25x",
            "127.0.0.1:65536",
            "mail.example:25",
            "*:25",
            ":+25",
            ":smtp",
            " :25",
            "unix:",
            "unix:a\0b",
            "unix:a\nb",
            "localhost",
            "localhost:+1",
        ] {
            assert_eq!(text.parse::<Listen>(), Err(ListenError::NotAnAddress(text.to_owned())));
        }
        let path = format!("/{}", "x".repeat(107));
        assert_eq!(format!("unix:{path}").parse::<Listen>(), Err(ListenError::PathTooLong(path)));
    }

    #[test]
    fn the_errors_say_what_to_write() {
        assert_eq!(
            "smtp".parse::<Listen>().unwrap_err().to_string(),
            r#""smtp" is not ip:port such as "127.0.0.1:2525", "[::1]:25" or ":25", nor unix:/path"#
        );
        assert_eq!(
            ListenError::PathTooLong("/x".to_owned()).to_string(),
            r#""/x" is too long: the path of a Unix socket has at most 107 bytes"#
        );
    }

    #[test]
    fn clashes_are_seen_across_spellings_and_families() {
        let table = [
            ("127.0.0.1:25", "127.0.0.1:25", true),
            ("127.0.0.1:25", "127.0.0.1:26", false),
            ("127.0.0.1:25", "localhost:25", true),
            ("[::1]:25", "[0:0::1]:25", true),
            (":25", "[::]:25", true),
            (":25", "0.0.0.0:25", true),
            ("0.0.0.0:25", "[::]:25", true),
            ("0.0.0.0:0", "[::]:0", false),
            ("127.0.0.1:25", ":25", true),
            ("127.0.0.1:25", ":26", false),
            ("127.0.0.1:25", "0.0.0.0:25", true),
            ("[::1]:25", ":25", true),
            ("[::1]:25", "0.0.0.0:25", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
            ("unix:/a", ":25", false),
        ];
        for (a, b, expected) in table {
            let (a, b): (Listen, Listen) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(a.clashes_with(&b), expected, "{a} {b}");
        }
        let v6 = Listen::Tcp { address: "[::]:25".parse().unwrap(), v6only: true };
        assert!(!v6.clashes_with(&"0.0.0.0:25".parse().unwrap()));
        assert!(!v6.clashes_with(&"127.0.0.1:25".parse().unwrap()));
        assert!(v6.clashes_with(&"[::1]:25".parse().unwrap()));
    }
}
