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

/// A processor that there is, whether or not its code is at hand.
#[derive(Clone, Copy)]
pub(crate) struct Offer<'a> {
    /// What its manifest says.
    pub(crate) processor: &'a Processor,
    /// Where it comes from, for messages.
    pub(crate) origin: &'a str,
}

/// All processors there are, whether or not their code is at hand.
pub(crate) struct Offers<'a> {
    /// Those that chains may name.
    pub(crate) present: Vec<Offer<'a>>,
    /// Those that they may name, too, but that are not loaded for now.
    pub(crate) absent: &'a [Processor],
    /// Nobody has looked which plugins there are.
    pub(crate) safe_mode: bool,
}

impl<'a> Offers<'a> {
    /// Finds one by name or alias, in any case.
    pub(crate) fn find(&self, name: &str) -> Option<Offer<'a>> {
        self.present.iter().find(|offer| offer.processor.answers_to(name)).copied()
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

    /// Every name and alias.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().flat_map(|entry| {
            let aliases = entry.processor.aliases.iter().map(String::as_str);
            std::iter::once(entry.processor.name.as_str()).chain(aliases)
        })
    }

    /// All processors, without the means to make one.
    pub(crate) fn offers(&self) -> Offers<'_> {
        let entries = self.entries.iter();
        let present =
            entries.map(|entry| Offer { processor: &entry.processor, origin: &entry.origin });
        Offers { present: present.collect(), absent: &self.absent, safe_mode: self.safe_mode }
    }
}
