//! The numbers of a server: how much one client may do.

use std::fmt::Display;

use super::problem::Findings;
use super::raw::RawServer;

/// How much one client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Recipients per message; 100,000 at most.
    pub max_rcpt: u32,
    /// Refused commands before the connection is closed.
    pub max_errors: u32,
    /// Unknown commands before the connection is closed; the one that reaches the number closes it.
    pub max_unrecognised: u32,
    /// Messages per connection; 0 is no limit.
    pub max_messages: u32,
    /// Connections at a time from one network (an IPv4 address, an IPv6 /64); 0 is no limit but `max_clients`.
    pub max_clients_per_ip: u32,
    /// Connections within a minute from one network (an IPv4 address, an IPv6 /64); 0 is no limit.
    pub max_connects_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // RFC 5321 section 4.5.3.1.8 asks for at least as many.
            max_rcpt: 100,
            // What Postfix allows.
            max_errors: 20,
            // What go-guerrilla allows.
            max_unrecognised: 5,
            max_messages: 0,
            max_clients_per_ip: 0,
            max_connects_per_minute: 0,
        }
    }
}

impl Limits {
    pub(super) fn check(raw: &RawServer, numbers: &mut Numbers<'_>) -> Self {
        let usual = Self::default();
        let most = i64::from(u32::MAX);
        let limits = Self {
            max_rcpt: numbers.check("max_rcpt", raw.max_rcpt, usual.max_rcpt, MOST_RECIPIENTS),
            max_errors: numbers.check("max_errors", raw.max_errors, usual.max_errors, most),
            max_unrecognised: numbers.check(
                "max_unrecognised",
                raw.max_unrecognised,
                usual.max_unrecognised,
                most,
            ),
            max_messages: numbers.check("max_messages", raw.max_messages, usual.max_messages, most),
            max_clients_per_ip: numbers.check(
                "max_clients_per_ip",
                raw.max_clients_per_ip,
                usual.max_clients_per_ip,
                most,
            ),
            max_connects_per_minute: numbers.check(
                "max_connects_per_minute",
                raw.max_connects_per_minute,
                usual.max_connects_per_minute,
                most,
            ),
        };
        if limits.max_rcpt < usual.max_rcpt {
            numbers.findings.warn(
                format!("{}.max_rcpt", numbers.at),
                "RFC 5321 section 4.5.3.1.8 asks for 100 recipients or more",
            );
        }
        limits
    }
}

/// All of a message are kept in memory, beside its body.
const MOST_RECIPIENTS: i64 = 100_000;

/// Checks the numbers of one server.
pub(super) struct Numbers<'a> {
    /// The path of the server.
    pub(super) at: &'a str,
    pub(super) findings: &'a mut Findings,
}

impl Numbers<'_> {
    /// A number between 0 and `most`. 0 is the default, as in go-guerrilla; where somebody may have meant something else
    /// by it, that is said.
    pub(super) fn check<T>(&mut self, key: &str, given: Option<i64>, usual: T, most: i64) -> T
    where
        T: TryFrom<i64> + Copy + Default + Display + PartialEq,
    {
        let given = match given {
            None => return usual,
            Some(0) => {
                if usual != T::default() {
                    self.findings.warn(format!("{}.{key}", self.at), zero_means(usual));
                }
                return usual;
            }
            Some(number) => number,
        };
        match T::try_from(given) {
            Ok(number) if (1..=most).contains(&given) => number,
            _ => {
                self.findings.error(
                    format!("{}.{key}", self.at),
                    format!("expected 0 to {most}, found {given}; leave it out for {usual}"),
                );
                usual
            }
        }
    }
}

/// What to say of a 0 in the place of a limit: in other programs it is none.
pub(super) fn zero_means(usual: impl Display) -> String {
    format!(
        "0 means the default, {usual}, and switches nothing off; write the number that is meant"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: Option<i64>, most: i64) -> (u32, Vec<String>) {
        let mut findings = Findings::default();
        let mut numbers = Numbers { at: "servers[0]", findings: &mut findings };
        let number = numbers.check("max_x", given, 7_u32, most);
        assert!(findings.warnings.is_empty());
        (number, findings.errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_within_is_taken() {
        assert_eq!(check(None, 10), (7, vec![]));
        assert_eq!(check(Some(1), 10), (1, vec![]));
        assert_eq!(check(Some(10), 10), (10, vec![]));
    }

    #[test]
    fn zero_is_the_default_which_is_said_unless_that_is_zero() {
        let mut findings = Findings::default();
        let mut numbers = Numbers { at: "servers[0]", findings: &mut findings };
        assert_eq!(numbers.check("max_x", Some(0), 7_u32, 10), 7);
        assert_eq!(numbers.check("max_y", Some(0), 0_u32, 10), 0);
        let warnings: Vec<_> = findings.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "servers[0].max_x: 0 means the default, 7, and switches nothing off; write the number that is meant"
            ]
        );
        assert!(findings.errors.is_empty());
    }

    #[test]
    fn numbers_outside_are_refused() {
        for (given, most, error) in [
            (-1, 10, "servers[0].max_x: expected 0 to 10, found -1; leave it out for 7"),
            (11, 10, "servers[0].max_x: expected 0 to 10, found 11; leave it out for 7"),
            (
                1 << 32,
                i64::MAX,
                "servers[0].max_x: expected 0 to 9223372036854775807, found 4294967296; leave it out for 7",
            ),
        ] {
            assert_eq!(check(Some(given), most), (7, vec![error.to_owned()]));
        }
    }
}
