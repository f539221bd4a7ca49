//! One pattern for a host name, in the syntax of Go's `filepath.Match`.
//!
//! `*` stands for any text, dots included, `?` for one character, `[a-z]` and `[^a-z]` for one of a set, and `\` takes the next
//! character as it is. Case does not count. A host that is the pattern, letter by letter, matches too: so an address
//! literal (`[192.0.2.1]`) can be written without escapes.

/// A pattern that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// The pattern itself, in lower case.
    text: String,
    parts: Vec<Part>,
}

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.to_lowercase();
        let mut parts = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            parts.push(match c {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Exactly(rest.next().ok_or(PatternError::NothingToEscape)?),
                '[' => set(&mut rest)?,
                c => Part::Exactly(c),
            });
        }
        Ok(Self { text, parts })
    }

    /// Whether a host, given in lower case, matches.
    pub(crate) fn matches(&self, host: &str) -> bool {
        host == self.text || self.matches_parts(&host.chars().collect::<Vec<_>>())
    }

    /// Goes back to the last star only, so the time is at most the product of the lengths.
    fn matches_parts(&self, host: &[char]) -> bool {
        let (mut part, mut at) = (0, 0);
        let mut star = None;
        while at < host.len() {
            match self.parts.get(part) {
                Some(Part::Any) => {
                    star = Some((part, at));
                    part += 1;
                }
                Some(one) if one.takes(host[at]) => {
                    part += 1;
                    at += 1;
                }
                _ => {
                    let Some((star_part, from)) = star else { return false };
                    star = Some((star_part, from + 1));
                    (part, at) = (star_part + 1, from + 1);
                }
            }
        }
        self.parts[part..].iter().all(|part| matches!(part, Part::Any))
    }
}

/// What a piece of a pattern stands for.
#[derive(Clone, Debug)]
enum Part {
    Any,
    One,
    Exactly(char),
    Set { ranges: Vec<(char, char)>, negated: bool },
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Exactly(own) => *own == c,
            Self::Set { ranges, negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }
}

/// Why a pattern cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("ends in a backslash; write \\\\ for the character itself")]
    NothingToEscape,
    #[error("has a [ without its ]; write \\[ for the character itself")]
    OpenSet,
    #[error("has an empty set []")]
    EmptySet,
    #[error("has a range whose end comes before its beginning")]
    BackwardRange,
}

/// Reads a set behind its `[`.
fn set(rest: &mut std::str::Chars<'_>) -> Result<Part, PatternError> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        if rest.as_str().starts_with(']') {
            rest.next();
            let empty = ranges.is_empty();
            return if empty {
                Err(PatternError::EmptySet)
            } else {
                Ok(Part::Set { ranges, negated })
            };
        }
        let from = member(rest)?;
        let to = if rest.as_str().starts_with('-') {
            rest.next();
            member(rest)?
        } else {
            from
        };
        if to < from {
            return Err(PatternError::BackwardRange);
        }
        ranges.push((from, to));
    }
}

/// One character of a set, possibly escaped.
fn member(rest: &mut std::str::Chars<'_>) -> Result<char, PatternError> {
    match rest.next() {
        Some('\\') => rest.next().ok_or(PatternError::OpenSet),
        Some(c) => Ok(c),
        None => Err(PatternError::OpenSet),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, host: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(host)
    }

    #[test]
    fn the_syntax_is_that_of_filepath_match() {
        for (pattern, host, expected) in [
            ("*", "", true),
            ("*", "a.b.c", true),
            ("grr.la", "grr.la", true),
            ("GRR.la", "grr.la", true),
            ("grr.la", "grr.lax", false),
            ("*.grr.la", "a.b.grr.la", true),
            ("*.grr.la", "grr.la", false),
            ("mail*.test", "mail.test", true),
            ("m?.test", "mx.test", true),
            ("m?.test", "m.test", false),
            ("m[0-9].test", "m7.test", true),
            ("m[^0-9].test", "m7.test", false),
            ("m[^0-9].test", "mx.test", true),
            ("m[a\\]x-z].test", "m].test", true),
            ("m\\*.test", "m*.test", true),
            ("m\\*.test", "mm.test", false),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXbXbY", false),
            ("*?", "", false),
            ("münchen.*", "münchen.example", true),
            ("MÜNCHEN.*", "münchen.example", true),
            ("[192.0.2.1]", "[192.0.2.1]", true),
        ] {
            assert_eq!(matches(pattern, host), expected, "{pattern} {host}");
        }
    }

    #[test]
    fn malformed_patterns_are_errors() {
        for (pattern, why) in [
            ("a\\", PatternError::NothingToEscape),
            ("[a", PatternError::OpenSet),
            ("[a-", PatternError::OpenSet),
            ("[a\\", PatternError::OpenSet),
            ("[", PatternError::OpenSet),
            ("[]", PatternError::EmptySet),
            ("[^]", PatternError::EmptySet),
            ("[z-a]", PatternError::BackwardRange),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap_err(), why, "{pattern}");
        }
    }

    #[test]
    fn stars_without_end_cost_little() {
        let pattern = Pattern::parse(&"a*".repeat(100)).unwrap();
        assert!(!pattern.matches(&("a".repeat(99) + &"b".repeat(150_000))));
    }

    /// The obvious matcher, for patterns of letters, `*` and `?`.
    fn model(pattern: &[u8], host: &[u8]) -> bool {
        match (pattern, host) {
            ([], []) => true,
            ([b'*', pattern @ ..], _) => (0..=host.len()).any(|n| model(pattern, &host[n..])),
            ([b'?', pattern @ ..], [_, host @ ..]) => model(pattern, host),
            ([p, pattern @ ..], [h, host @ ..]) => p == h && model(pattern, host),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_matcher(pattern in "[ab*?]{0,8}", host in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &host), model(pattern.as_bytes(), host.as_bytes()));
        }

        #[test]
        fn any_text_is_read_or_refused(pattern in ".{0,20}", host in ".{0,20}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.matches(&host.to_lowercase());
            }
        }
    }
}
