//! `wildcard_hosts`: which hosts mail is taken for.

use crate::pattern::{Pattern, PatternError};

/// The patterns in the order in which they are asked.
#[derive(Debug)]
pub(crate) struct HostList(Vec<Entry>);

impl HostList {
    /// Reads the text of the configuration.
    pub(crate) fn parse(text: &str) -> Result<Self, HostListError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let entries: Vec<Entry> = entries.map(Entry::parse).collect::<Result<_, _>>()?;
        if !entries.iter().any(|entry| entry.accepts) {
            return Err(HostListError::Nobody);
        }
        Ok(Self(entries))
    }

    /// Whether mail is taken for a host, in any case.
    pub(crate) fn accepts(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        let decisive = self.0.iter().find(|entry| entry.pattern.matches(&host));
        decisive.is_some_and(|entry| entry.accepts)
    }
}

#[derive(Debug)]
struct Entry {
    pattern: Pattern,
    accepts: bool,
}

impl Entry {
    fn parse(entry: &str) -> Result<Self, HostListError> {
        // No host name begins with an exclamation mark, so none is lost to this.
        let refused = entry.strip_prefix('!').map(str::trim);
        let text = refused.unwrap_or(entry);
        let malformed = |why| HostListError::Malformed { entry: entry.to_owned(), why };
        if text.is_empty() {
            return Err(HostListError::Nothing);
        }
        let pattern = Pattern::parse(text).map_err(malformed)?;
        Ok(Self { pattern, accepts: refused.is_none() })
    }
}

/// Why the list cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostListError {
    #[error("wildcard_hosts: the pattern \"{entry}\" {why}")]
    Malformed { entry: String, why: PatternError },
    #[error("wildcard_hosts: there is a ! without a pattern; write !host")]
    Nothing,
    #[error(
        "wildcard_hosts accepts no host; write patterns separated by commas, such as *.example.com"
    )]
    Nobody,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(list: &str, host: &str) -> bool {
        HostList::parse(list).unwrap().accepts(host)
    }

    #[test]
    fn blanks_and_case_do_not_count() {
        let list = " grr.la ,\tSharkLasers.com,, *.Example.ORG ";
        for host in ["grr.la", "GRR.LA", "sharklasers.COM", "a.b.example.org"] {
            assert!(accepts(list, host), "{host}");
        }
        for host in ["example.org", "x.grr.la", "", " grr.la"] {
            assert!(!accepts(list, host), "{host:?}");
        }
    }

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let list = "vip.spam.example, ! *.spam.example, *.example, !*";
        assert!(accepts(list, "vip.spam.example"));
        assert!(!accepts(list, "x.SPAM.example"));
        assert!(accepts(list, "ham.example"));
        assert!(!accepts(list, "elsewhere.test"));
        assert!(accepts("*, !grr.la", "grr.la"), "what stands behind the star is never asked");
    }

    #[test]
    fn a_list_that_cannot_be_meant_is_an_error() {
        let malformed = HostList::parse("a.test, b[.test").unwrap_err().to_string();
        assert!(malformed.contains("\"b[.test\" has a [ without its ]"), "{malformed}");
        for list in ["", " , ", "!a.test"] {
            assert_eq!(HostList::parse(list).unwrap_err(), HostListError::Nobody, "{list:?}");
        }
        assert_eq!(HostList::parse("a, ! ").unwrap_err(), HostListError::Nothing);
    }
}
