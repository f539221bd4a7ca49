//! One file, wherever it lies: tried in full in a child process, or loaded.

use std::path::Path;

use super::checked::{Checked, LoadedFile};
use super::error::{Cause, LoadError};
use super::manifest::Manifest;
use super::private_copy::PrivateDir;
use super::probe::{Prober, Wishes};
use super::scan::Directory;

/// What became of a file in a child process. Nothing of it was run in this one.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What it offers.
    pub manifest: Manifest,
    /// The processors that were to be created, each with why it cannot be.
    pub created: Vec<(String, Option<String>)>,
}

/// Goes through all steps of loading, the last of them in a child process; there it also creates processors, each by its
/// name and with its settings (a JSON object as text). None is started.
///
/// # Errors
/// Why it cannot be loaded, or how it ended the child.
pub fn verify(
    file: &Path,
    prober: &Prober,
    processors: impl FnOnce(&Manifest) -> Vec<(String, String)>,
) -> Result<Verified, LoadError> {
    let checked = check(file)?;
    let manifest = checked.manifest.clone();
    let wishes = Wishes { processors: processors(&manifest) };
    let private = PrivateDir::create(None)?;
    let copied = checked.copy(&private, 0)?;
    let findings = copied.ask(prober, &wishes)?;
    Ok(Verified { manifest, created: findings.created })
}

/// Loads a file into this process, untried.
///
/// # Errors
/// Why it cannot be loaded.
pub fn load_file(file: &Path) -> Result<LoadedFile, LoadError> {
    check(file)?.copy(&PrivateDir::create(None)?, 0)?.load(0)
}

/// All that can be checked without running it. Symbolic links on the way to its directory are followed; the file itself must
/// not be one, as in a plugins directory.
fn check(file: &Path) -> Result<Checked, LoadError> {
    let failed = |cause: Cause| cause.of(file, None);
    // First, for a directory that is missing is a file that is missing here.
    file.symlink_metadata().map_err(|source| failed(Cause::Read(source)))?;
    let Some(name) = file.file_name() else { return Err(failed(Cause::NotRegular)) };
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let directory = Directory::open(dir.unwrap_or_else(|| Path::new(".")))?;
    directory.check_ownership()?;
    Checked::of(&directory.entry(name.to_owned()))
}
