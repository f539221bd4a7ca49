//! One file on its way: checked without running it, copied, mapped.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use guerrilla_plugin_abi::Root_Ref;

use super::digest::Digest;
use super::elf::Image;
use super::error::{Cause, LoadError, OpenError};
use super::ffi::{Constructor, FileFacts, Origin, loading, open_root};
use super::load::LoadOptions;
use super::manifest::{Api, Manifest};
use super::one_line::shown;
use super::ownership::Ownership;
use super::policy;
use super::private_copy::PrivateDir;
use super::probe::{Findings, Prober, Wishes};
use super::scan::Candidate;
use super::source::Source;

/// A plugin file whose code is mapped, for ever.
#[derive(Clone)]
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
    pub(super) origin: Origin,
    /// What is odd about it but no reason to refuse it; one line each, naming the file.
    pub warnings: Vec<String>,
}

impl LoadedFile {
    /// What makes instances of its processors.
    pub(crate) fn constructor(&self) -> Constructor {
        Constructor::File(self.root, self.origin)
    }
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
    /// The manifest as the file has it.
    note: Vec<u8>,
    source: Source,
    pub(super) sha256: Digest,
    pub(super) warnings: Vec<String>,
}

impl Checked {
    /// Checks a file of a directory that was found safe.
    pub(super) fn of(candidate: &Candidate) -> Result<Self, LoadError> {
        let path = candidate.path();
        let refuse = |cause: Cause| cause.of(path, None);
        let mut source = candidate.open().map_err(refuse)?;
        Ownership::check(source.metadata()).map_err(|why| refuse(why.into()))?;
        let content = source.read().map_err(refuse)?;
        let note = manifest_text(&content).map_err(refuse)?;
        let (manifest, warnings) = Manifest::parse(note)
            .map_err(|why| Cause::from(why).of(path, Manifest::name_in(note)))?;
        Ok(Self {
            path: path.to_owned(),
            sha256: Digest::of(&content),
            warnings: warnings
                .into_iter()
                .map(|warning| format!("plugin '{}' ({}): {warning}", manifest.name, shown(path)))
                .collect(),
            manifest,
            note: note.to_owned(),
            source,
        })
    }

    /// Checks one, and that the operator wants it.
    pub(super) fn wanted(
        candidate: &Candidate,
        options: &LoadOptions<'_>,
    ) -> Result<Self, LoadError> {
        let this = Self::of(candidate)?;
        match policy::check(options, &this.path, &this.manifest.name, this.sha256) {
            Ok(()) => Ok(this),
            Err(cause) => Err(this.refuse(cause)),
        }
    }

    /// This file's error.
    pub(super) fn refuse(&self, cause: Cause) -> LoadError {
        cause.of(&self.path, Some(self.manifest.name.clone()))
    }

    /// Makes the private copy.
    pub(super) fn copy(
        mut self,
        private: &PrivateDir,
        generation: u64,
    ) -> Result<Copied, LoadError> {
        match self.store(private, generation) {
            Ok(copy) => Ok(Copied { file: self, copy }),
            Err(cause) => Err(self.refuse(cause)),
        }
    }

    fn store(&mut self, private: &PrivateDir, generation: u64) -> Result<PathBuf, Cause> {
        // Not kept since the checks, so that a directory of big files is never in memory at once.
        let content = self.source.read()?;
        if Digest::of(&content) != self.sha256 {
            return Err(Cause::Changed);
        }
        let name = &self.manifest.name;
        private.store(name, generation, self.sha256, &content).map_err(Cause::Copy)
    }
}

/// A file whose private copy is there to be mapped.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) file: Checked,
    pub(super) copy: PathBuf,
}

impl Copied {
    /// Has a child process try the copy.
    pub(super) fn ask(&self, prober: &Prober, wishes: &Wishes) -> Result<Findings, LoadError> {
        prober.ask(&self.copy, wishes).map_err(|cause| self.file.refuse(cause))
    }

    /// Loads the copy. From here on code of the file runs in this process.
    pub(super) fn load(self, generation: u64) -> Result<LoadedFile, LoadError> {
        let Self { file, copy } = self;
        let facts = FileFacts {
            version: file.manifest.version.clone(),
            api: file.manifest.api.to_string(),
            rustc: file.manifest.rustc.clone(),
            sha256: file.sha256.to_string(),
        };
        // Leaked, for what is mapped is never unmapped either.
        let plugin = file.manifest.name.clone().leak();
        let origin = Origin { plugin, generation, file: Box::leak(Box::new(facts)) };
        let root = loading(origin, || open_checked(&copy, &file.note, file.manifest.api));
        // What is mapped stays mapped. A copy that cannot be removed goes with its directory.
        let _ = fs::remove_file(&copy);
        let root = root.map_err(|why| file.refuse(why.into()))?;
        Ok(LoadedFile {
            path: file.path,
            manifest: file.manifest,
            sha256: file.sha256,
            generation,
            root,
            origin,
            warnings: file.warnings,
        })
    }
}

/// Maps a file whose bytes were checked, and compares what its code says with what its note says.
pub(super) fn open_checked(path: &Path, note: &[u8], api: Api) -> Result<Root_Ref, OpenError> {
    let root = open_root(path)?;
    let disagrees = |what: &str| Err(OpenError::Disagrees(what.to_owned()));
    if root.manifest().as_str().as_bytes() != note {
        return disagrees("manifest");
    }
    if root.panic_abort() {
        return disagrees("panic mode");
    }
    if root.api_minor() != api.minor {
        return disagrees("API version");
    }
    Ok(root)
}

fn manifest_text(content: &[u8]) -> Result<&[u8], Cause> {
    Ok(Image::parse(content)?.manifest()?)
}
