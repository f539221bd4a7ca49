//! What a config has to say about processors: the chains that name them, and their settings.

use std::path::Path;

use crate::config::{ChainSpec, Config, ConfigError, Gateway, ProcessorSection};
use crate::pipeline::{settings, unfit_settings};
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
        for (_, chain) in chains(&self.gateway) {
            for name in &chain.names {
                let section = section(&self.gateway, name);
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
            let settings = settings(&self.gateway, section);
            let place = (processor.name.clone(), settings.to_string());
            let unfit = unfit_settings(section, &settings, processor, origin);
            if !unfit.is_empty() {
                wanted.unfit.push((processor.name.clone(), unfit));
            } else if !wanted.fit.contains(&place) {
                wanted.fit.push(place);
            }
        }
        wanted.unfit.dedup();
        wanted
    }

    /// The settings that every processor gets, as JSON.
    pub(super) fn common(&self) -> String {
        self.text(None)
    }

    fn text(&self, section: Option<&ProcessorSection>) -> String {
        settings(&self.gateway, section).to_string()
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

/// All chains with their keys, in the order of a session.
pub(super) fn chains(gateway: &Gateway) -> [(&'static str, &ChainSpec); 5] {
    [
        ("connect_process", &gateway.connect),
        ("helo_process", &gateway.helo),
        ("mail_process", &gateway.mail),
        ("validate_process", &gateway.validate),
        ("save_process", &gateway.save),
    ]
}

/// The section that a chain means by a name.
pub(super) fn section<'a>(gateway: &'a Gateway, name: &str) -> Option<&'a ProcessorSection> {
    gateway.processors.iter().find(|section| section.name.eq_ignore_ascii_case(name))
}

/// The processor that is meant by a name.
pub(super) fn processor_behind<'a>(
    section: Option<&'a ProcessorSection>,
    name: &'a str,
) -> &'a str {
    section.and_then(|section| section.uses.as_deref()).unwrap_or(name)
}
