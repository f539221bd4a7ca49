//! `verify`: everything that loading a file takes, in a child process, and creating its processors as configured.

use std::path::Path;
use std::process::ExitCode;

use super::settings::Settings;
use crate::cli::{CONFIG, complain, say};
use crate::plugins::{Prober, verify};

/// Says whether a file loads, and whether its processors can be created with the settings of a config.
pub(super) fn run(file: &Path, config: Option<&Path>) -> ExitCode {
    let settings = match config.map(Settings::load).transpose() {
        Ok(settings) => settings,
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    let mut unfit = Vec::new();
    let wanted = |manifest: &_| {
        let Some(settings) = &settings else { return Vec::new() };
        let wanted = settings.processors_of(manifest, &file.display().to_string());
        unfit = wanted.unfit;
        wanted.fit
    };
    let verified = match verify(file, &Prober::this_program(), wanted) {
        Ok(verified) => verified,
        Err(error) => {
            complain(error);
            return ExitCode::FAILURE;
        }
    };
    say(format_args!("{:<12} {} {}", "plugin", verified.manifest.name, verified.manifest.version));
    say(format_args!("{:<12} yes", "loads"));
    let mut code = ExitCode::SUCCESS;
    for problem in unfit.iter().flat_map(|(_, problems)| problems) {
        complain(problem);
        code = ExitCode::FAILURE;
    }
    for processor in &verified.manifest.processors {
        let found = verified.created.iter().filter(|(name, _)| *name == processor.name);
        let mut found = found.map(|(_, problem)| problem).peekable();
        let is_unfit = unfit.iter().any(|(name, _)| *name == processor.name);
        if found.peek().is_none() && settings.is_some() && !is_unfit {
            say(format_args!("{:<12} {}: in no chain, not created", "processor", processor.name));
        }
        for problem in found {
            match problem {
                None => say(format_args!("{:<12} {}: can be created", "processor", processor.name)),
                Some(why) => {
                    complain(format_args!("processor {}: {why}", processor.name));
                    code = ExitCode::FAILURE;
                }
            }
        }
    }
    code
}
