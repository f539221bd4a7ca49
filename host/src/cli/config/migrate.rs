//! `migrate`: a config of another time in today's keys.

use std::path::Path;
use std::process::ExitCode;

use super::locate;
use crate::cli::{CONFIG, complain, note, say};
use crate::config::{Config, migrate, read_text};

/// Prints the file; on stderr what was changed, and what is still to be done by hand.
pub(super) fn run(config: Option<&Path>) -> ExitCode {
    let (Some(path), _) = locate(config) else {
        complain("no config file (goguerrilla.conf.json): name one with -c");
        return ExitCode::from(CONFIG);
    };
    let origin = path.display();
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    let (migrated, notes) = match migrate(&text) {
        Ok(migrated) => migrated,
        Err(problem) => {
            complain(format_args!("{origin}: {problem}"));
            return ExitCode::from(CONFIG);
        }
    };
    for remark in notes {
        note(format_args!("{origin}: {remark}"));
    }
    let migrated = migrated.to_string();
    let (_, problems, warnings) = Config::examine(&migrated);
    for left in problems.iter().chain(&warnings) {
        note(format_args!("{origin}: still to do: {left}"));
    }
    say(migrated);
    ExitCode::SUCCESS
}
