//! `list` and `inspect`: what files say of themselves. No code of theirs is run.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::{CONFIG, complain, say};
use crate::daemon::builtins;
use crate::plugins;

/// Lists a directory. Fails when a file in it would not load.
pub(super) fn list(dir: &Path, json: bool) -> ExitCode {
    let builtins = builtins();
    let taken: Vec<&str> = builtins.names().collect();
    match plugins::list(dir, &taken) {
        Ok(listing) => {
            print(&listing, json);
            verdict(listing.loads())
        }
        Err(error) => {
            complain(error);
            ExitCode::from(CONFIG)
        }
    }
}

/// Shows one file.
pub(super) fn inspect(file: &Path, json: bool) -> ExitCode {
    match plugins::inspect(file) {
        Ok(inspection) => {
            print(&inspection, json);
            verdict(inspection.loads())
        }
        Err(error) => {
            complain(error);
            ExitCode::from(CONFIG)
        }
    }
}

fn print<T: std::fmt::Display + Serialize>(what: &T, json: bool) {
    match json.then(|| serde_json::to_string_pretty(what)) {
        Some(Ok(text)) => say(text),
        Some(Err(error)) => complain(error),
        None => say(what),
    }
}

fn verdict(loads: bool) -> ExitCode {
    if loads { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
