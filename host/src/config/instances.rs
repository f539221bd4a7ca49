//! `backend_config.processors`: sections for single processors.
//!
//! ```json
//! "processors": {
//!     "archive": { "use": "MailDir", "maildir_path": "/var/archive/[user]" },
//!     "MailDir": { "on_fault": "reject" }
//! }
//! ```
//!
//! A section with `use` gives a processor another name and settings of its own; chains then name it (`archive`). One
//! without belongs to the processor of that name and adds to the settings it finds in `backend_config`.

use std::num::NonZeroU32;

use serde_json::{Map, Value};

use super::problem::{Findings, key_path};

/// One section.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessorSection {
    /// The name that chains use; case does not count.
    pub name: String,
    /// The processor behind the name (`use`); the one of that name when left out.
    pub uses: Option<String>,
    /// What a fault of it (a panic, an answer that is none) means (`on_fault`).
    pub on_fault: OnFailure,
    /// What it means when it has not answered in time (`on_timeout`).
    pub on_timeout: OnFailure,
    /// Threads, should it block (`workers`); `save_workers_size` when left out.
    pub workers: Option<NonZeroU32>,
    /// Its own settings.
    pub settings: Map<String, Value>,
}

/// What it means for the question that a processor has not answered it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The client hears 451 and tries again: nothing is lost.
    #[default]
    Defer,
    /// The chain goes on without it.
    Continue,
    /// The client hears 5xx.
    Reject,
}

impl OnFailure {
    /// For log lines.
    pub(crate) fn effect(self) -> &'static str {
        match self {
            Self::Defer => "deferred",
            Self::Continue => "went on without it",
            Self::Reject => "rejected",
        }
    }

    fn check(word: Option<&str>, at: impl FnOnce() -> String, findings: &mut Findings) -> Self {
        match word {
            None | Some("" | "defer") => Self::Defer,
            Some("continue") => Self::Continue,
            Some("reject") => Self::Reject,
            Some(other) => {
                let message =
                    format!("expected \"defer\", \"continue\" or \"reject\", found {other:?}");
                findings.error(at(), message);
                Self::Defer
            }
        }
    }
}

impl ProcessorSection {
    /// Gives meaning to what was typed.
    pub(super) fn check_all(sections: Option<Value>, findings: &mut Findings) -> Vec<Self> {
        match sections {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(sections)) => sections
                .into_iter()
                .filter_map(|(name, section)| Self::check(name, section, findings))
                .collect(),
            Some(_) => {
                findings.error(AT, "expected an object: a section for each name");
                Vec::new()
            }
        }
    }

    fn check(name: String, section: Value, findings: &mut Findings) -> Option<Self> {
        let at = key_path(AT, &name);
        let Value::Object(mut settings) = section else {
            findings.error(at, "expected an object such as {\"use\": \"MailDir\"}");
            return None;
        };
        let trimmed = name.trim();
        if trimmed.is_empty() || trimmed.contains('|') {
            findings
                .error(at, "a name must not be empty nor contain \"|\": chains could not name it");
            return None;
        }
        let mut word = |key: &str| match settings.remove(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(word)) => Some(word),
            Some(_) => {
                findings.error(key_path(&at, key), "expected a string");
                None
            }
        };
        let uses = word("use");
        let words = [word("on_fault"), word("on_timeout")];
        let on_fault =
            OnFailure::check(words[0].as_deref(), || key_path(&at, "on_fault"), findings);
        let on_timeout =
            OnFailure::check(words[1].as_deref(), || key_path(&at, "on_timeout"), findings);
        let workers = match settings.remove("workers") {
            None | Some(Value::Null) => None,
            Some(number) => {
                let workers = number.as_u64().and_then(|n| u32::try_from(n).ok());
                let workers = workers.filter(|n| *n <= MOST_WORKERS).and_then(NonZeroU32::new);
                if workers.is_none() {
                    let message = format!("expected 1 to {MOST_WORKERS}, found {number}");
                    findings.error(key_path(&at, "workers"), message);
                }
                workers
            }
        };
        Some(Self { name: trimmed.to_owned(), uses, on_fault, on_timeout, workers, settings })
    }
}

const AT: &str = "backend_config.processors";

/// More threads than this is a slip of the pen.
const MOST_WORKERS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(sections: Value) -> (Vec<ProcessorSection>, Vec<String>) {
        let mut findings = Findings::default();
        let checked = ProcessorSection::check_all(Some(sections), &mut findings);
        (checked, findings.errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_section_is_host_keys_and_the_processors_own() {
        let (sections, errors) = check(json!({
            "archive": {"use": "MailDir", "on_fault": "continue", "on_timeout": "reject", "workers": 4, "maildir_path": "x"}
        }));
        assert_eq!(errors, [""; 0]);
        assert_eq!(sections[0].uses.as_deref(), Some("MailDir"));
        assert_eq!(
            (sections[0].on_fault, sections[0].on_timeout, sections[0].workers),
            (OnFailure::Continue, OnFailure::Reject, NonZeroU32::new(4))
        );
        assert_eq!(Value::Object(sections[0].settings.clone()), json!({"maildir_path": "x"}));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (_, errors) = check(
            json!({"a": 5, "b|c": {}, "d": {"use": 1, "on_fault": "x", "on_timeout": 2, "workers": 0}}),
        );
        assert_eq!(
            errors,
            [
                "backend_config.processors.a: expected an object such as {\"use\": \"MailDir\"}",
                "backend_config.processors.\"b|c\": a name must not be empty nor contain \"|\": chains could not name it",
                "backend_config.processors.d.use: expected a string",
                "backend_config.processors.d.on_timeout: expected a string",
                "backend_config.processors.d.on_fault: expected \"defer\", \"continue\" or \"reject\", found \"x\"",
                "backend_config.processors.d.workers: expected 1 to 10000, found 0",
            ]
        );
        assert_eq!(
            check(json!([])).1,
            ["backend_config.processors: expected an object: a section for each name"]
        );
    }
}
