//! Names that are offered twice. Which of two processors a chain means must never depend on the order of files.

use std::collections::HashMap;

use super::error::{Cause, LoadError};
use super::load::Checked;
use super::one_line::shown;

/// Every name that a file offers although the host or a file before it does, in any case.
pub(super) fn duplicates(files: &[Checked], taken_names: &[&str]) -> Vec<LoadError> {
    let mut plugins: HashMap<String, String> = HashMap::new();
    let mut processors: HashMap<String, String> = taken_names
        .iter()
        .map(|name| (name.to_ascii_lowercase(), "guerrillad itself".to_owned()))
        .collect();
    let mut errors = Vec::new();
    for file in files {
        let path = shown(&file.path);
        let mut claim = |owners: &mut HashMap<String, String>, what: &'static str, name: &str| {
            if let Some(other) = owners.insert(name.to_ascii_lowercase(), path.clone()) {
                errors.push(file.refuse(Cause::Duplicate { what, name: name.to_owned(), other }));
            }
        };
        claim(&mut plugins, "plugin", &file.manifest.name);
        for processor in &file.manifest.processors {
            for name in processor.names() {
                claim(&mut processors, "processor", name);
            }
        }
    }
    errors
}
