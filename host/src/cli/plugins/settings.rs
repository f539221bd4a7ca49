//! What a config has to say about processors: the chains that name them, and their settings.

use std::path::Path;

use crate::config::{Config, ConfigError, Gateway, ProcessorSection};
use crate::pipeline::{chains, misfits, settings};
use crate::plugins::{Manifest, Processor};

/// The part of a config that is about processors.
pub(super) struct Settings {
    gateway: Gateway,
}

impl Settings {
    /// Reads a config file.
    pub(super) fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(Self { gateway: Config::load(path)?.config.gateway })
    }

    /// Those of a plugin's processors that a chain names, each with the settings that it gets there; all of them, with
    /// the common settings, when no chain names any.
    pub(super) fn processors_of(&self, manifest: &Manifest, origin: &str) -> Wanted {
        let mut named: Vec<(&Processor, Option<&ProcessorSection>)> = Vec::new();
        for (_, _, chain) in chains(&self.gateway) {
            for name in &chain.names {
                let section = self.gateway.section(name);
                let meant = processor_behind(section, name);
                let found = manifest.processors.iter().find(|p| p.answers_to(meant));
                named.extend(found.map(|processor| (processor, section)));
            }
        }
        if named.is_empty() {
            named = manifest.processors.iter().map(|processor| (processor, None)).collect();
        }
        let mut wanted = Wanted::default();
        for (processor, section) in named {
            let settings = settings(&self.gateway, section, processor);
            let place = (processor.name.clone(), settings.to_string());
            let unfit = misfits(&self.gateway, section, processor, origin);
            if !unfit.is_empty() {
                let unfit = unfit.iter().map(ToString::to_string).collect();
                wanted.unfit.push((processor.name.clone(), unfit));
            } else if !wanted.fit.contains(&place) {
                wanted.fit.push(place);
            }
        }
        wanted.unfit.dedup();
        wanted
    }

    /// The settings that a processor gets without a section, as JSON.
    pub(super) fn flat(&self, processor: &Processor) -> String {
        settings(&self.gateway, None, processor).to_string()
    }
}

/// Processors that a config wants.
#[derive(Default)]
pub(super) struct Wanted {
    /// Those that may be created: name and settings.
    pub(super) fit: Vec<(String, String)>,
    /// Those whose schema does not allow their settings: name and one line for each reason.
    pub(super) unfit: Vec<(String, Vec<String>)>,
}

/// The processor that is meant by a name.
pub(super) fn processor_behind<'a>(
    section: Option<&'a ProcessorSection>,
    name: &'a str,
) -> &'a str {
    section.and_then(|section| section.uses.as_deref()).unwrap_or(name)
}
