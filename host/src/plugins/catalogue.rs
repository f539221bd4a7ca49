//! All processors a daemon has, from wherever they come: its own, the embedder's, those of the plugins directory.

use super::ffi::Constructor;
use super::manifest::Processor;

/// Processors by name.
#[derive(Default)]
pub(crate) struct Catalogue {
    entries: Vec<Entry>,
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

    /// Every name and alias.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().flat_map(|entry| {
            let aliases = entry.processor.aliases.iter().map(String::as_str);
            std::iter::once(entry.processor.name.as_str()).chain(aliases)
        })
    }

    /// Every configuration key that a processor's schema names.
    pub(crate) fn config_keys(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter_map(|entry| entry.processor.config_schema.get("properties")?.as_object())
            .flat_map(|properties| properties.keys().map(String::as_str))
    }
}
