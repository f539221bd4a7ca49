//! Shell patterns over host names with the rules of Go's `filepath.Match`, which is what
//! go-guerrilla's users wrote their `allowed_hosts` for.
//!
//! `*` is any run of characters and `?` any one, neither of them a `/`; `[a-z]` and `[^a-z]` are
//! classes; `\` takes the next character literally. There are no braces.

use std::iter::Peekable;
use std::str::Chars;

/// A compiled pattern. Matching takes time in proportion to pattern times text at worst, whatever
/// the pattern, and allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    pieces: Vec<Piece>,
}

impl Glob {
    /// Compiles a pattern; `None` when it is malformed.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::AnyRun,
                '?' => Piece::AnyOne,
                '[' => class(&mut chars)?,
                '\\' => Piece::One(chars.next()?),
                _ => Piece::One(c),
            });
        }
        Some(Self { pieces })
    }

    /// Whether the whole text fits the pattern; case counts.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut piece = 0;
        let mut rest = text.chars();
        // Where to go on when the pieces behind the latest `*` do not fit: that `*` takes one more
        // character. Earlier ones never need another try, since the latest can take what they could.
        let mut retry: Option<(usize, Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            match (self.pieces.get(piece), ahead.next()) {
                (Some(Piece::AnyRun), _) => {
                    piece += 1;
                    retry = Some((piece, rest.clone()));
                }
                (Some(wanted), Some(c)) if wanted.accepts(c) => {
                    piece += 1;
                    rest = ahead;
                }
                (None, None) => return true,
                _ => {
                    let Some((after_run, taken)) = &mut retry else { return false };
                    match taken.next() {
                        Some(c) if c != SEPARATOR => {}
                        _ => return false,
                    }
                    piece = *after_run;
                    rest = taken.clone();
                }
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    AnyOne,
    AnyRun,
    Class { negated: bool, ranges: Vec<(char, char)> },
    One(char),
}

impl Piece {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::AnyOne => c != SEPARATOR,
            Self::AnyRun => false,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
            Self::One(wanted) => *wanted == c,
        }
    }
}

/// Go's patterns are for paths; no host name holds one of these.
const SEPARATOR: char = '/';

/// The class behind a `[`, up to and with its `]`; it has at least one member.
fn class(chars: &mut Peekable<Chars<'_>>) -> Option<Piece> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Some(Piece::Class { negated, ranges });
        }
        let low = class_member(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => class_member(chars)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

/// One end of a range; `-` and `]` only behind a `\`.
fn class_member(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        let table = [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*", "axbxcxdxe", true),
            ("a*b*c*d*e*", "axbxcxdxexxx", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^b-d]", "abc", false),
            ("ab[^e-g]", "abc", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            (r"[\]a]", "]", true),
            (r"[\-]", "-", true),
            (r"[x\-]", "x", true),
            (r"[x\-]", "z", false),
            (r"[\-x]", "a", false),
            ("*x", "xxx", true),
            ("[*]", "*", true),
            ("[*]", "a", false),
            ("{a,b}*", "a", false),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in table {
            let glob = Glob::new(pattern).unwrap_or_else(|| panic!("{pattern} is malformed"));
            assert_eq!(glob.matches(text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn malformed_patterns_are_told() {
        for pattern in
            ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "a*\\", "[\\"]
        {
            assert_eq!(Glob::new(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn no_pattern_makes_matching_slow() {
        // With a try for every combination of stars this would outlast the machine.
        let glob = Glob::new(&"*a".repeat(60)).unwrap();
        assert!(!glob.matches(&("a".repeat(255) + "b")));
    }
}
