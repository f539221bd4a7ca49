//! `check`: everything for which the daemon would refuse a config, all at once.

mod rights;

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{ConfigFile, locate};
use crate::cli::{CONFIG, say};
use crate::config::{Config, ConfigError, Problem, read_text};
use crate::daemon::Examination;

/// Prints what is wrong, one line each.
pub(super) fn run(file: &ConfigFile, json: bool) -> ExitCode {
    let report = Report::of(file);
    if json {
        say(format_args!("{:#}", report.json()));
    } else {
        report.print();
    }
    if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CONFIG) }
}

struct Report {
    origin: String,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Report {
    fn of(file: &ConfigFile) -> Self {
        let (path, note) = locate(file.config.as_deref());
        let origin =
            path.as_ref().map_or_else(|| "defaults".to_owned(), |p| p.display().to_string());
        let notes: Vec<Problem> = note.map(|note| Problem::new("", note)).into_iter().collect();
        let read = match path.as_deref().map(read_text) {
            None => (Some(Config::defaults()), Vec::new(), Vec::new()),
            Some(Ok(text)) => Config::examine(&text),
            Some(Err(ConfigError::Read { source, .. })) => {
                (None, vec![Problem::new("", format!("cannot be read: {source}"))], Vec::new())
            }
            Some(Err(ConfigError::Invalid { problems, .. })) => (None, problems, Vec::new()),
        };
        let (config, problems, warnings) = read;
        let mut report = Self { origin, problems, warnings };
        report.warnings.splice(0..0, notes);
        if let Some(mut config) = config {
            file.apply(&mut config);
            let mut found = Examination::default();
            let known_wrong = |key: &str| report.knows_wrong(key);
            let loads = report.problems.is_empty();
            rights::take(&config, path.as_deref(), loads, &mut found, &known_wrong);
            found.look(&config, &known_wrong);
            report.problems.extend(found.problems);
            report.warnings.extend(found.warnings);
        }
        report
    }

    /// Whether something at or below a key is known to be wrong.
    fn knows_wrong(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| {
            let below = problem.at.strip_prefix(key);
            let below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            // An element that is no object is not counted, and those behind it have other numbers than in the file.
            let is_element = problem.at.starts_with("servers[") && !problem.at.contains('.');
            below || (is_element && key.starts_with("servers["))
        })
    }

    fn print(&self) {
        let Self { origin, problems, warnings } = self;
        for problem in problems {
            say(format_args!("{origin}: error: {problem}"));
        }
        for warning in warnings {
            say(format_args!("{origin}: warning: {warning}"));
        }
        if problems.is_empty() {
            say(format_args!("{origin}: ok"));
        }
    }

    fn json(&self) -> Value {
        let all = |problems: &[Problem]| -> Value {
            problems.iter().map(|p| json!({ "at": p.at, "message": p.message })).collect()
        };
        json!({
            "file": self.origin,
            "ok": self.problems.is_empty(),
            "errors": all(&self.problems),
            "warnings": all(&self.warnings),
        })
    }
}
