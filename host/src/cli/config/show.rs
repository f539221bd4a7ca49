//! `show`: the config with every value that is in effect.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::mask::masked;
use super::{ConfigFile, locate};
use crate::cli::{CONFIG, complain, say};
use crate::config::{Config, Loaded, ProcessorSection, written};
use crate::daemon::offered;

/// Prints it as a file that loads again; only masked values are others then.
pub(super) fn run(file: &ConfigFile) -> ExitCode {
    let (path, note) = locate(file.config.as_deref());
    if let Some(note) = note {
        complain(note);
    }
    let loaded = path.as_deref().map(Config::load).transpose();
    let mut config = match loaded {
        Ok(Some(Loaded { config, warnings })) => {
            warnings.iter().for_each(complain);
            config
        }
        Ok(None) => Config::defaults(),
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    file.apply(&mut config);
    let offered = match offered(&config) {
        Ok((offered, _)) => offered,
        Err(problems) => {
            problems.iter().for_each(complain);
            Vec::new()
        }
    };
    // Which values are secret stands in the plugin files: without a word about it everything is.
    let unknown = json!({ "writeOnly": true });
    let setting = |section: Option<&ProcessorSection>, key: &str, value: &Value| {
        let meant = section.map(|section| section.uses.as_deref().unwrap_or(&section.name));
        let readers = offered.iter().map(|(processor, _)| processor);
        let readers = readers.filter(|p| meant.is_none_or(|name| p.answers_to(name)));
        let mut schemas: Vec<&Value> =
            readers.filter_map(|processor| processor.properties()?.get(key)).collect();
        if schemas.is_empty() {
            schemas.push(&unknown);
        }
        masked(key, value, &schemas)
    };
    say(written(&config, &setting));
    ExitCode::SUCCESS
}
