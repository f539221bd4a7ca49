//! The words of a manifest for the open sets of numbers. Those of a later minor version are not known here.

use guerrilla_plugin_abi::{Blocking, Event, Phase};

/// The values of the words that are known; the others are handed to `unknown`.
pub(super) fn known<T: Copy>(
    words: &[String],
    table: &[(&str, T)],
    mut unknown: impl FnMut(&str),
) -> Vec<T> {
    let mut values = Vec::new();
    for word in words {
        match find(word, table) {
            Some(value) => values.push(value),
            None => unknown(word),
        }
    }
    values
}

/// The value of a word.
pub(super) fn find<T: Copy>(word: &str, table: &[(&str, T)]) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

/// The word of a value.
pub(super) fn name_of<T: PartialEq>(value: T, table: &[(&'static str, T)]) -> Option<&'static str> {
    table.iter().find(|(_, own)| *own == value).map(|(name, _)| *name)
}

pub(super) const PHASES: &[(&str, Phase)] = &[
    ("connect", Phase::CONNECT),
    ("helo", Phase::HELO),
    ("mail", Phase::MAIL),
    ("rcpt", Phase::RCPT),
    ("save", Phase::SAVE),
];

pub(super) const EVENTS: &[(&str, Event)] =
    &[("opened", Event::OPENED), ("closed", Event::CLOSED), ("settled", Event::SETTLED)];

pub(super) const BLOCKING: &[(&str, Blocking)] =
    &[("never", Blocking::NEVER), ("short", Blocking::SHORT), ("long", Blocking::LONG)];
