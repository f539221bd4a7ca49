//! Names that are offered twice. Which of two processors a chain means must never depend on the order of files.

use std::collections::HashMap;

use super::checked::Checked;
use super::error::{Cause, LoadError};
use super::one_line::shown;
use super::policy::OnError;

/// Every name that a file offers although the host or a file before it does, in any case. Where the rest is to be
/// loaded all the same, the file before is refused too.
pub(super) fn duplicates(
    files: &[Checked],
    taken_names: &[&str],
    on_error: OnError,
) -> Vec<LoadError> {
    let mut plugins: HashMap<String, Option<&Checked>> = HashMap::new();
    let mut processors: HashMap<String, Option<&Checked>> =
        taken_names.iter().map(|name| (name.to_ascii_lowercase(), None)).collect();
    let mut errors = Vec::new();
    for file in files {
        let mut claim = |owners: &mut HashMap<_, _>, what: &'static str, name: &str| {
            let Some(other) = owners.insert(name.to_ascii_lowercase(), Some(file)) else { return };
            let offered_by = |other: Option<&Checked>| Cause::Duplicate {
                what,
                name: name.to_owned(),
                other: other.map_or_else(|| "guerrillad itself".to_owned(), |o| shown(&o.path)),
            };
            errors.push(file.refuse(offered_by(other)));
            if let (Some(other), OnError::Skip) = (other, on_error) {
                errors.push(other.refuse(offered_by(Some(file))));
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
