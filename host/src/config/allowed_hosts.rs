//! `allowed_hosts`: the domains that this daemon takes mail for.
//!
//! The rules are go-guerrilla's. An entry with a `*` is a pattern (see `glob`), an entry in brackets an
//! address literal, everything else one host name. A lone `.` allows everything, address literals too.
//! Case never counts.
//!
//! Two differences: `[IPv6:2001:db8::1]`, which go-guerrilla dropped without a word, counts, and an
//! entry that can never match anything is named in a warning.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use super::glob::Glob;
use super::host_name::address_literal;
use super::problem::{Problem, shortened};

/// The domains and address literals that recipients may have.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    /// As they were given.
    entries: Vec<String>,
    everything: bool,
    hosts: HashSet<Box<str>>,
    addresses: HashSet<IpAddr>,
    patterns: Vec<Glob>,
}

impl PartialEq for AllowedHosts {
    /// Whether both allow the same; how and in which order that was written does not count.
    fn eq(&self, other: &Self) -> bool {
        let Self { entries: _, everything, hosts, addresses, patterns } = self;
        (everything, hosts, addresses, patterns)
            == (&other.everything, &other.hosts, &other.addresses, &other.patterns)
    }
}

impl AllowedHosts {
    /// Reads the entries of the list. What comes beside is a warning for each entry that is of no use;
    /// its place is `allowed_hosts[<index>]`.
    ///
    /// ```
    /// # use guerrilla::config::AllowedHosts;
    /// let (hosts, warnings) = AllowedHosts::new(["example.com", "*.example.net", "[192.0.2.1]"]);
    /// assert!(warnings.is_empty());
    /// assert!(hosts.allows("EXAMPLE.com") && hosts.allows("a.b.example.net"));
    /// assert!(hosts.allows("[::ffff:192.0.2.1]") && !hosts.allows("example.net"));
    /// ```
    pub fn new<I>(entries: I) -> (Self, Vec<Problem>)
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut allowed = Self::default();
        let mut warnings = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            allowed.entries.push(entry.as_ref().to_owned());
            if let Err(reason) = allowed.add(entry.as_ref().trim()) {
                let shown = shortened(&format!("{:?}", entry.as_ref()));
                warnings.push(Problem::new(
                    format!("allowed_hosts[{index}]"),
                    format!("{shown} {reason}"),
                ));
            }
        }
        // Patterns do not count here: [".", "*.x"] still means everything.
        if allowed.hosts.contains(EVERYTHING) {
            allowed.everything = allowed.hosts.len() == 1 && allowed.addresses.is_empty();
            if !allowed.everything {
                warnings.push(Problem::new(
                    "allowed_hosts",
                    "\".\" allows every host only when no other host is listed; here it means nothing",
                ));
            }
        }
        (allowed, warnings)
    }

    /// The entries as they were given.
    pub(super) fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Whether mail for this domain is taken: a host name or, in brackets, an address literal.
    ///
    /// Does not allocate unless the name holds capitals or is not ASCII.
    #[must_use]
    pub fn allows(&self, domain: &str) -> bool {
        if self.everything {
            return true;
        }
        if let Some(address) = address_literal(domain) {
            return self.allows_ip(address);
        }
        let domain = lower_case(domain);
        self.hosts.contains(&*domain) || self.matches_pattern(&domain)
    }

    /// Whether mail for this address literal is taken. An IPv4-mapped IPv6 address is the IPv4 one.
    #[must_use]
    pub fn allows_ip(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.everything
            || self.addresses.contains(&address)
            || (!self.patterns.is_empty() && self.matches_pattern(&format!("[{address}]")))
    }

    fn matches_pattern(&self, domain: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(domain))
    }

    /// Takes one entry; the error says why it is of no use.
    fn add(&mut self, entry: &str) -> Result<(), &'static str> {
        if entry.contains('*') {
            self.patterns.push(Glob::new(&entry.to_lowercase()).ok_or(
                "is a malformed pattern and matches nothing: check its brackets and backslashes",
            )?);
            if entry.starts_with('[') && entry.ends_with(']') {
                return Err(
                    "is a class of characters and not an address: list each address by itself",
                );
            }
        } else if let Some(address) = address_literal(entry) {
            self.addresses.insert(address);
        } else if entry.len() > 1 && entry.starts_with('.') {
            return Err(
                "matches nothing: write \"*.example.com\" for all names below example.com, and \"example.com\" for itself",
            );
        } else if entry == EVERYTHING || is_host(entry) {
            self.hosts.insert(entry.to_lowercase().into());
        } else if entry.starts_with('[') && entry.ends_with(']') {
            return Err("is not an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]");
        } else {
            return Err(
                "is not a host name and matches nothing; a pattern needs a \"*\" to be one",
            );
        }
        Ok(())
    }
}

/// The entry that allows everything when it stands alone.
const EVERYTHING: &str = ".";

/// Whether a name could be the domain of a recipient at all, internationalised ones included.
fn is_host(entry: &str) -> bool {
    !entry.is_empty()
        && entry.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c) || !c.is_ascii())
}

fn lower_case(domain: &str) -> Cow<'_, str> {
    if domain.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) {
        Cow::Owned(domain.to_lowercase())
    } else {
        Cow::Borrowed(domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[&str], table: &[(&str, bool)]) {
        let (allowed, _) = AllowedHosts::new(entries);
        for (domain, expected) in table {
            assert_eq!(allowed.allows(domain), *expected, "{domain} with {entries:?}");
        }
    }

    #[test]
    fn the_table_of_go_guerrilla() {
        check(
            &[
                "spam4.me",
                "grr.la",
                "newhost.com",
                "example.*",
                "*.test",
                "wild*.card",
                "multiple*wild*cards.*",
                "[::FFFF:C0A8:1]",
            ],
            &[
                ("spam4.me", true),
                ("SPAM4.me", true),
                ("dont.match", false),
                ("example.com", true),
                ("another.example.com", false),
                ("anything.test", true),
                ("a.b.test", true),
                ("test", false),
                ("wild.card", true),
                ("wildXX.card", true),
                ("wild.card.com", false),
                ("multipleXwildXcards.com", true),
                ("[192.168.0.1]", true),
                ("[::ffff:c0a8:1]", true),
                ("[IPv6:::ffff:192.168.0.1]", true),
                ("[192.168.0.2]", false),
                ("192.168.0.1", false),
                ("", false),
            ],
        );
    }

    #[test]
    fn a_lone_dot_allows_everything() {
        let open = [("anything.example", true), ("[10.0.0.1]", true), ("", true)];
        check(&["."], &open);
        check(&[".", "."], &open);
        check(&[".", "*.x"], &open);
        let shut = [("foo.com", true), ("anything.example", false), ("[10.0.0.1]", false)];
        check(&[".", "foo.com"], &shut);
        check(&[".", "[10.0.0.2]"], &[("foo.com", false), ("[10.0.0.2]", true)]);
    }

    #[test]
    fn a_lone_star_allows_literals_too() {
        check(&["*"], &[("a.b", true), ("[10.0.0.1]", true), ("[IPv6:2001:db8::1]", true)]);
    }

    #[test]
    fn patterns_see_an_address_literal_in_brackets() {
        check(
            &[r"\[10.0.*\]"],
            &[("[10.0.3.4]", true), ("[10.1.3.4]", false), ("10.0.3.4", false)],
        );
        check(&["[127.0.0.*]"], &[("[127.0.0.1]", false), ("127.0.0.1", false)]);
    }

    #[test]
    fn address_entries_in_every_spelling() {
        check(
            &["[::1]", "[IPv6:2001:DB8::1]", "[2001:db8:0:0::2]"],
            &[
                ("[::1]", true),
                ("[IPv6:::1]", true),
                ("[2001:db8::1]", true),
                ("[IPv6:2001:0db8::0002]", true),
                ("[2001:db8::3]", false),
            ],
        );
    }

    #[test]
    fn unbracketed_numbers_are_a_domain() {
        check(&["1.2.3.4"], &[("1.2.3.4", true), ("[1.2.3.4]", false)]);
    }

    #[test]
    fn case_is_folded_beyond_ascii() {
        check(
            &["BÜCHER.example", "*.Ärger.example"],
            &[("bücher.EXAMPLE", true), ("A.äRGER.example", true), ("bucher.example", false)],
        );
    }

    #[test]
    fn blanks_round_an_entry_do_not_count() {
        check(&[" a.com ", "\t*.b.com"], &[("a.com", true), ("x.b.com", true)]);
    }

    #[test]
    fn no_entries_allow_nothing() {
        check(&[], &[("localhost", false), ("[127.0.0.1]", false), (".", false)]);
    }

    #[test]
    fn entries_of_no_use_are_named() {
        let (_, warnings) = AllowedHosts::new([
            "fine.example",
            "host?.example",
            "[a-z].example",
            "",
            "*[",
            "[127.0.0.*]",
            "[1.2.3]",
            "a@b",
            ".",
            ".example.com",
        ]);
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        let no_host = "is not a host name and matches nothing; a pattern needs a \"*\" to be one";
        assert_eq!(
            warnings,
            [
                &format!("allowed_hosts[1]: \"host?.example\" {no_host}"),
                &format!("allowed_hosts[2]: \"[a-z].example\" {no_host}"),
                &format!("allowed_hosts[3]: \"\" {no_host}"),
                "allowed_hosts[4]: \"*[\" is a malformed pattern and matches nothing: check its brackets and backslashes",
                "allowed_hosts[5]: \"[127.0.0.*]\" is a class of characters and not an address: list each address by itself",
                "allowed_hosts[6]: \"[1.2.3]\" is not an address literal such as [192.0.2.1] or [IPv6:2001:db8::1]",
                &format!("allowed_hosts[7]: \"a@b\" {no_host}"),
                "allowed_hosts[9]: \".example.com\" matches nothing: write \"*.example.com\" for all names below example.com, and \"example.com\" for itself",
                "allowed_hosts: \".\" allows every host only when no other host is listed; here it means nothing",
            ]
        );
    }

    #[test]
    fn a_malformed_pattern_leaves_the_others_alone() {
        check(&["*[", "*.test"], &[("a.test", true), ("[", false)]);
    }
}
