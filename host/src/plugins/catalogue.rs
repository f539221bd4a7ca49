//! All processors a daemon has, from wherever they come: its own, the embedder's, those of the plugins directory.

use super::ffi::Constructor;
use super::manifest::Processor;

/// Processors by name.
#[derive(Default)]
pub(crate) struct Catalogue {
    entries: Vec<Entry>,
    /// Processors that would be there, but are not loaded.
    absent: Vec<Processor>,
    /// Nobody has looked which plugins there are.
    safe_mode: bool,
}

/// One processor and how to make an instance of it.
pub(crate) struct Entry {
    /// What its manifest says.
    pub(crate) processor: Processor,
    /// What makes instances.
    pub(crate) constructor: Constructor,
    /// Where it comes from, for messages: a file's path or `built-in`.
    pub(crate) origin: String,
}

impl Catalogue {
    /// Adds a processor; the loader has seen to it that names are unique.
    pub(crate) fn add(&mut self, processor: Processor, constructor: Constructor, origin: &str) {
        self.entries.push(Entry { processor, constructor, origin: origin.to_owned() });
    }

    /// Finds one by name or alias, in any case.
    pub(crate) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.processor.answers_to(name))
    }

    /// Adds a processor that chains may name, but that is not loaded for now.
    pub(crate) fn add_absent(&mut self, processor: Processor) {
        self.absent.push(processor);
    }

    /// From now on everything that is not there may be in a plugin.
    pub(crate) fn enter_safe_mode(&mut self) {
        self.safe_mode = true;
    }

    /// Why a processor that chains may name is not there.
    pub(crate) fn absent(&self, name: &str) -> Option<&'static str> {
        if self.find(name).is_some() {
            return None;
        }
        if self.absent.iter().any(|processor| processor.answers_to(name)) {
            return Some("in quarantine");
        }
        self.safe_mode.then_some("not built in, and this is the safe mode")
    }

    /// Every name and alias.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().flat_map(|entry| {
            let aliases = entry.processor.aliases.iter().map(String::as_str);
            std::iter::once(entry.processor.name.as_str()).chain(aliases)
        })
    }

    /// Every configuration key that a processor's schema names.
    pub(crate) fn config_keys(&self) -> impl Iterator<Item = &str> {
        let loaded = self.entries.iter().map(|entry| &entry.processor);
        loaded
            .chain(&self.absent)
            .filter_map(|processor| processor.config_schema.get("properties")?.as_object())
            .flat_map(|properties| properties.keys().map(String::as_str))
    }
}
