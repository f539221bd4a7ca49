//! What loading a config file finds: problems with the place they sit at, collected so that the
//! operator sees all of them at once and not one per attempt.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::closest::closest;
use super::reference::Source;

/// Why a config file cannot be used.
///
/// Displayed as one line per problem, each beginning with the file's name, so that every line can be
/// logged or grepped alone.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read at all.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file as it was named.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read, and something in it is wrong.
    #[error("{}", lines(origin, problems))]
    Invalid {
        /// The file's name, or what else the text came from.
        origin: String,
        /// Everything that must be put right; never empty.
        problems: Vec<Problem>,
        /// What else was noticed: often the misspelt key that explains a missing one.
        warnings: Vec<Problem>,
    },
}

/// One thing that is wrong or worth a word, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A key path such as `servers[0].max_size`, a place such as `line 3 column 5`, or empty when it
    /// concerns the file as a whole.
    pub at: String,
    /// What is wrong and what to do, in one line.
    pub message: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into() }
    }

    /// A key that nobody reads, with the known key that was probably meant.
    pub(crate) fn unknown_key<'a>(
        path: &str,
        key: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let message = match closest(key, known) {
            Some(meant) => format!("unknown key, ignored; did you mean {meant:?}?"),
            None => "unknown key, ignored".to_owned(),
        };
        Self::new(key_path(path, key), message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.at, self.message)
        }
    }
}

/// What has been found so far. Errors stop the load at its end, warnings do not.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Where the values of keys stand that have theirs somewhere else.
    pub(super) places: BTreeMap<String, Source>,
}

impl Findings {
    /// An error about the very value of a key. One that stands somewhere else may be a secret that was put there by
    /// mistake, and is not repeated.
    pub(super) fn wrong_value(&mut self, at: &str, message: String) {
        let message = match self.places.get(at) {
            Some(place) => format!("what {place} holds is no value for this key"),
            None => message,
        };
        self.error(at, message);
    }

    pub(super) fn error(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.errors.push(Problem::new(at, message));
    }

    pub(super) fn warn(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Problem::new(at, message));
    }

    /// Whether this very place already has an error, so that a value of the wrong type is not called
    /// missing as well.
    pub(super) fn has_error_at(&self, at: &str) -> bool {
        self.errors.iter().any(|problem| problem.at == at)
    }
}

/// `path.key`, the key quoted when it holds anything that could blur a log line.
pub(crate) fn key_path(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let key = if !key.is_empty() && key.chars().all(plain) {
        key.to_owned()
    } else {
        shortened(&format!("{key:?}"))
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A found value, cut to what fits a log line.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn lines(origin: &str, problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(|problem| format!("{origin}: {problem}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_per_problem_each_naming_the_file() {
        let error = ConfigError::Invalid {
            origin: "a.json".to_owned(),
            problems: vec![Problem::new("servers[0].timeout", "bad"), Problem::new("", "worse")],
            warnings: vec![Problem::new("x", "not shown")],
        };
        assert_eq!(error.to_string(), "a.json: servers[0].timeout: bad\na.json: worse");
    }

    #[test]
    fn a_key_cannot_break_the_line_it_is_named_in() {
        assert_eq!(key_path("", "log_file"), "log_file");
        assert_eq!(key_path("servers[0]", "log-file"), "servers[0].log-file");
        assert_eq!(key_path("a", "x\ny\u{1b}[1m"), r#"a."x\ny\u{1b}[1m""#);
        assert_eq!(key_path("a", ""), r#"a."""#);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"ö".repeat(61)), format!("{}…", "ö".repeat(60)));
    }
}
