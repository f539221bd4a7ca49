//! Which processors there are: the daemon's own and those of the plugins directory.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::plugins::catalogue::Catalogue;
use crate::plugins::ffi::Constructor;
use crate::plugins::probe;
use crate::plugins::{
    Crashes, Digest, LoadError, LoadOptions, LoadedFile, Manifest, OnError, Processor, load_dir,
    record_crashes,
};
use crate::processors;

/// Files of the plugins directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct PluginsError(pub Vec<LoadError>);

/// Where the daemon's own processors come from, for messages.
pub(super) const BUILT_IN: &str = "built-in";

/// The daemon's own processors.
pub(crate) fn builtins() -> Catalogue {
    let mut catalogue = Catalogue::default();
    // The compiler has written this manifest; a test reads it.
    let manifest = Manifest::parse(&processors::manifest());
    for processor in manifest.map(|(manifest, _)| manifest.processors).unwrap_or_default() {
        let create = processors::CONSTRUCTORS.iter().find(|(name, _)| processor.answers_to(name));
        if let Some((_, create)) = create {
            catalogue.add(processor, Constructor::Builtin(*create), BUILT_IN);
        }
    }
    catalogue
}

/// What the operator has said about plugin files.
pub(super) fn load_options<'a>(config: &'a Config, taken_names: &'a [&'a str]) -> LoadOptions<'a> {
    let wanted = &config.plugins;
    LoadOptions {
        runtime_dir: wanted.runtime_dir.as_deref(),
        taken_names,
        allow: wanted.allow.as_deref(),
        sha256: &wanted.sha256,
        on_error: if wanted.skip_broken { OnError::Skip } else { OnError::Fail },
        ..LoadOptions::default()
    }
}

/// The plugin files that this daemon has mapped. They stay mapped, so a file that comes back is known again.
#[derive(Clone, Default)]
pub(super) struct PluginFiles {
    /// Also what a reload has mapped that came to nothing.
    mapped: Arc<Mutex<Vec<LoadedFile>>>,
    /// Content of the files that were in the directory.
    present: Vec<Digest>,
    /// Processors of the program that the daemon is part of.
    code: Vec<(Processor, Constructor)>,
}

impl PluginFiles {
    /// None yet, beside these processors that are no files.
    pub(super) fn beside(code: Vec<(Processor, Constructor)>) -> Self {
        Self { code, ..Self::default() }
    }

    /// All processors, with those of the plugins directory if there is one; files are looked at anew.
    pub(super) fn catalogue(&mut self, config: &Config) -> Result<Catalogue, PluginsError> {
        let mut catalogue = builtins();
        for (processor, constructor) in &self.code {
            catalogue.add(processor.clone(), constructor.clone(), "this program");
        }
        if config.plugins.safe_mode {
            tracing::warn!("safe mode: no plugins are loaded");
            catalogue.enter_safe_mode();
            return Ok(catalogue);
        }
        let before = std::mem::take(&mut self.present);
        let Some(dir) = &config.plugins_dir else { return Ok(catalogue) };
        let taken: Vec<String> = catalogue.names().map(str::to_owned).collect();
        let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
        let crashes = config.plugins.crash_file.as_deref().map(Crashes::open).transpose();
        let crashes = crashes.map_err(|error| PluginsError(vec![error.into()]))?;
        if let Some(crashes) = &crashes {
            // Before any code of a file runs: it may crash while it is being loaded.
            record_crashes(crashes).map_err(|error| PluginsError(vec![error.into()]))?;
        }
        let mut mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        let options = LoadOptions {
            generation: mapped.iter().map(|file| file.generation).max().unwrap_or_default() + 1,
            known: &mapped,
            crashes: crashes.as_ref(),
            prober: probe::prober(),
            ..load_options(config, &taken)
        };
        let loaded = load_dir(dir, &options).map_err(PluginsError)?;
        for (error, manifest) in loaded.quarantined {
            tracing::error!("{error} [{}]", error.code());
            manifest.processors.into_iter().for_each(|processor| catalogue.add_absent(processor));
        }
        for line in &loaded.unmatched {
            tracing::warn!("{line}");
        }
        for error in &loaded.skipped {
            tracing::error!("passed over: {error} [{}]", error.code());
        }
        for file in loaded.files {
            self.present.push(file.sha256);
            let (origin, constructor) = (file.path.display().to_string(), file.constructor());
            for processor in &file.manifest.processors {
                catalogue.add(processor.clone(), constructor.clone(), &origin);
            }
            if !before.contains(&file.sha256) {
                announce(&file);
            }
            if mapped.iter().all(|known| known.sha256 != file.sha256) {
                mapped.push(file);
            }
        }
        Ok(catalogue)
    }

    /// Whether the directory held something else then.
    pub(super) fn differ_from(&self, then: &Self) -> bool {
        self.present != then.present
    }
}

fn announce(file: &LoadedFile) {
    for warning in &file.warnings {
        tracing::warn!("{warning}");
    }
    let names: Vec<&str> = file.manifest.processors.iter().map(|p| p.name.as_str()).collect();
    tracing::info!(
        "plugin {} {} ({}, generation {}) offers {}",
        file.manifest.name,
        file.manifest.version,
        file.path.display(),
        file.generation,
        names.join(", ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_in_the_catalogue() {
        let catalogue = builtins();
        for (name, _) in processors::CONSTRUCTORS {
            assert!(catalogue.find(&name.to_lowercase()).is_some(), "{name}");
        }
    }
}
