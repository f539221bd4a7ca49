//! What the operator wants loaded: an allow list, the content expected, and what a bad file means.

use std::path::Path;

use super::digest::Digest;
use super::error::Cause;
use super::load::LoadOptions;

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
