//! `release`: forgets the crashes of a plugin, so that it is loaded again.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{CONFIG, complain, say};
use crate::config::{Config, default_path};
use crate::plugins::Crashes;

/// Takes a plugin out of the record of crashes.
pub(super) fn run(name: &str, config: Option<PathBuf>) -> ExitCode {
    let path = config.or_else(|| default_path().map(|found| found.path));
    let config = match path.map(|path| Config::load(&path)).transpose() {
        Ok(loaded) => loaded.map_or_else(Config::defaults, |loaded| loaded.config),
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    let Some(record) = config.plugins.crash_file else {
        complain(
            "plugins_crash_file is not set: no crashes are recorded, and no plugin is in quarantine",
        );
        return ExitCode::from(CONFIG);
    };
    let mut crashes = match Crashes::open(&record) {
        Ok(crashes) => crashes,
        Err(error) => {
            complain(error);
            return ExitCode::FAILURE;
        }
    };
    match crashes.release(name) {
        Ok(0) => {
            let known = crashes.plugins().join(", ");
            let known = if known.is_empty() { "none" } else { &known };
            complain(format_args!("no crash of a plugin {name} is on record; there are: {known}"));
            ExitCode::FAILURE
        }
        Ok(count) => {
            say(format_args!(
                "{name}: {count} crashes forgotten; the next start, or guerrillad reload, loads it"
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}
