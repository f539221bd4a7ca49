//! The load sequence, from a directory to roots.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use guerrilla_plugin_abi::Root_Ref;

use super::digest::Digest;
use super::elf::Image;
use super::error::{Cause, LoadError};
use super::ffi::open_root;
use super::manifest::Manifest;
use super::names;
use super::one_line::shown;
use super::ownership::Ownership;
use super::private_copy::PrivateDir;
use super::scan::{Candidate, scan};
use super::source::Source;

/// Loads every plugin file of a directory: in the order of their names, or none of them.
///
/// # Errors
/// Everything that is wrong, not only the first: an operator corrects it all and starts once more. When a file
/// fails a check that needs no code of it to run, no code of any file was run.
pub fn load_dir(dir: &Path, options: &LoadOptions<'_>) -> Result<Vec<LoadedFile>, Vec<LoadError>> {
    let candidates = scan(dir).map_err(|error| vec![error.into()])?;
    let (checked, mut errors) = split(candidates.iter().map(Checked::of));
    errors.extend(names::duplicates(&checked, options.taken_names));
    if !errors.is_empty() {
        return Err(errors);
    }
    if checked.is_empty() {
        return Ok(Vec::new());
    }
    let private = PrivateDir::create(options.runtime_dir).map_err(|error| vec![error.into()])?;
    let (loaded, errors) =
        split(checked.into_iter().map(|file| file.load(&private, options.generation)));
    if errors.is_empty() { Ok(loaded) } else { Err(errors) }
}

/// How to load.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions<'a> {
    /// Where the private copies are made; `None` is the directory for temporary files. The file system must allow
    /// to execute, and nobody but root and the daemon's user may rename entries there.
    pub runtime_dir: Option<&'a Path>,
    /// Number of this load.
    pub generation: u64,
    /// Names and aliases that no plugin may offer: those of the built-in processors.
    pub taken_names: &'a [&'a str],
}

/// A plugin file whose code is mapped, for ever.
pub struct LoadedFile {
    /// Its canonical path.
    pub path: PathBuf,
    /// What it offers.
    pub manifest: Manifest,
    /// Identity of its content.
    pub sha256: Digest,
    /// Number of the load.
    pub generation: u64,
    /// Where instances come from.
    pub root: Root_Ref,
    /// What is odd about it but no reason to refuse it; one line each, naming the file.
    pub warnings: Vec<String>,
}

impl fmt::Debug for LoadedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedFile")
            .field("path", &self.path)
            .field("manifest", &self.manifest)
            .field("sha256", &self.sha256)
            .field("generation", &self.generation)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// A file that has passed every check that needs no code of it to run.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    source: Source,
    sha256: Digest,
    warnings: Vec<String>,
}

impl Checked {
    /// Checks a file of a directory that was found safe.
    pub(super) fn of(candidate: &Candidate) -> Result<Self, LoadError> {
        let path = candidate.path();
        let refuse = |cause: Cause| cause.of(path, None);
        let mut source = candidate.open().map_err(refuse)?;
        Ownership::check(source.metadata()).map_err(|why| refuse(why.into()))?;
        let content = source.read().map_err(refuse)?;
        let text = manifest_text(&content).map_err(refuse)?;
        let (manifest, warnings) = Manifest::parse(text)
            .map_err(|why| Cause::from(why).of(path, Manifest::name_in(text)))?;
        Ok(Self {
            path: path.to_owned(),
            sha256: Digest::of(&content),
            warnings: warnings
                .into_iter()
                .map(|warning| format!("plugin '{}' ({}): {warning}", manifest.name, shown(path)))
                .collect(),
            manifest,
            source,
        })
    }

    /// This file's error.
    pub(super) fn refuse(&self, cause: Cause) -> LoadError {
        cause.of(&self.path, Some(self.manifest.name.clone()))
    }

    /// Loads a private copy. From here on code of the file runs.
    pub(super) fn load(
        mut self,
        private: &PrivateDir,
        generation: u64,
    ) -> Result<LoadedFile, LoadError> {
        let root = self.open(private, generation).map_err(|cause| self.refuse(cause))?;
        Ok(LoadedFile {
            path: self.path,
            manifest: self.manifest,
            sha256: self.sha256,
            generation,
            root,
            warnings: self.warnings,
        })
    }

    fn open(&mut self, private: &PrivateDir, generation: u64) -> Result<Root_Ref, Cause> {
        // Not kept since the checks, so that a directory of big files is never in memory at once.
        let content = self.source.read()?;
        if Digest::of(&content) != self.sha256 {
            return Err(Cause::Changed);
        }
        let copy = private
            .store(&self.manifest.name, generation, self.sha256, &content)
            .map_err(Cause::Copy)?;
        let root = open_root(&copy);
        // What is mapped stays mapped. A copy that cannot be removed goes with its directory.
        let _ = fs::remove_file(&copy);
        let root = root?;
        let api = self.manifest.api;
        if root.manifest().as_str().as_bytes() != manifest_text(&content)? {
            return Err(Cause::Disagrees { what: "manifest" });
        }
        if root.panic_abort() {
            return Err(Cause::Disagrees { what: "panic mode" });
        }
        if root.api_minor() != api.minor {
            return Err(Cause::Disagrees { what: "API version" });
        }
        Ok(root)
    }
}

fn manifest_text(content: &[u8]) -> Result<&[u8], Cause> {
    Ok(Image::parse(content)?.manifest()?)
}

fn split<T>(results: impl Iterator<Item = Result<T, LoadError>>) -> (Vec<T>, Vec<LoadError>) {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(error) => bad.push(error),
        }
    }
    (good, bad)
}
