//! What the operator wants loaded: an allow list, the content expected, and what a bad file means.

use std::path::Path;

use super::digest::Digest;
use super::error::Cause;
use super::load::LoadOptions;
use super::one_line::{LIMIT, one_line};
use crate::config::closest;

/// What happens when a file of the directory cannot be used (`plugins_on_error`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing is loaded.
    #[default]
    Fail,
    /// The other files are. Of several that offer the same name none is: which of them a chain means must not
    /// depend on the order of files.
    Skip,
}

/// Whether the operator wants this file.
pub(super) fn check(
    options: &LoadOptions<'_>,
    path: &Path,
    name: &str,
    found: Digest,
) -> Result<(), Cause> {
    let file = path.file_name().unwrap_or_default();
    let is_meant = |word: &str| word == name || file == word;
    if options.allow.is_some_and(|allow| !allow.iter().any(|word| is_meant(word))) {
        return Err(Cause::NotAllowed { name: name.to_owned() });
    }
    let mut pins = options.sha256.iter().filter(|(word, _)| is_meant(word));
    let found_text = found.to_string();
    match pins.find(|(_, expected)| !expected.eq_ignore_ascii_case(&found_text)) {
        Some((_, expected)) => Err(Cause::Pin { found, expected: expected.clone() }),
        None => Ok(()),
    }
}

/// What the operator has said about plugins that are not there, one line each: a pin that names nothing protects nothing.
/// `names` are those of all plugins and files of the directory, also of refused ones.
pub(super) fn unmatched(options: &LoadOptions<'_>, names: &[String]) -> Vec<String> {
    let allowed = options.allow.unwrap_or_default().iter().map(|word| ("plugins_allow", word));
    let pinned = options.sha256.iter().map(|(word, _)| ("plugins_sha256", word));
    let lost = allowed.chain(pinned).filter(|(_, word)| !names.contains(word));
    lost.map(|(key, word)| {
        let hint = match closest(word, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{}\"?", one_line(near, LIMIT)),
            None => "correct it, or take it out".to_owned(),
        };
        let word = one_line(word, LIMIT);
        format!("{key}: no plugin and no file in the plugins directory is named \"{word}\"; {hint}")
    })
    .collect()
}
