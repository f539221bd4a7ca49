//! `schema`: the JSON Schema of the config file.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{CONFIG, complain, say};
use crate::config::{Config, Described, json_schema};
use crate::daemon::offered;

/// Prints it, with the settings of the built-in processors and those of a plugins directory.
pub(super) fn run(plugins_dir: Option<PathBuf>) -> ExitCode {
    let config = Config { plugins_dir, ..Config::defaults() };
    let (offered, warnings) = match offered(&config) {
        Ok(found) => found,
        Err(problems) => {
            problems.iter().for_each(complain);
            return ExitCode::from(CONFIG);
        }
    };
    warnings.iter().for_each(complain);
    let known = offered.iter().map(|(processor, _)| Described {
        name: &processor.name,
        names: processor.names().collect(),
        schema: &processor.config_schema,
    });
    say(format_args!("{:#}", json_schema(&known.collect::<Vec<_>>())));
    ExitCode::SUCCESS
}
