//! What in a directory is meant to be a plugin: regular files named `*.so`.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::error::Cause;
use super::one_line::shown;
use super::ownership::Ownership;
use super::source::Source;

/// Lists the plugin files of a directory, sorted by name.
///
/// Sub-directories, hidden files and other names are passed over. A symbolic link named `*.so` is listed,
/// and refused when it is opened: passing it over in silence would lose a plugin.
///
/// # Errors
/// The directory is not there, cannot be read, or others than root and the daemon's user may write to it.
pub fn scan(dir: &Path) -> Result<Vec<Candidate>, ScanError> {
    let directory = Directory::open(dir)?;
    directory.check_ownership()?;
    let mut names = directory.names()?;
    names.sort();
    Ok(names.into_iter().map(|name| directory.entry(name)).collect())
}

/// A file that is meant to be a plugin. Nothing but its name is known yet.
#[derive(Clone, Debug)]
pub struct Candidate {
    path: PathBuf,
    directory: Arc<OwnedFd>,
    name: OsString,
}

impl Candidate {
    /// Its canonical path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, in the directory that was checked and not by its path.
    pub(super) fn open(&self) -> Result<Source, Cause> {
        Source::open(&*self.directory, &self.name)
    }
}

/// A plugins directory, opened once.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    descriptor: Arc<OwnedFd>,
}

impl Directory {
    pub(super) fn open(dir: &Path) -> Result<Self, ScanError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ScanError::Missing { dir: dir.to_owned() },
            io::ErrorKind::NotADirectory => ScanError::NotADirectory { dir: dir.to_owned() },
            _ => ScanError::Read { dir: dir.to_owned(), source },
        };
        let path = dir.canonicalize().map_err(failed)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let descriptor = open(&path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        Ok(Self { path, descriptor: Arc::new(descriptor) })
    }

    pub(super) fn check_ownership(&self) -> Result<(), ScanError> {
        let metadata = self
            .descriptor
            .try_clone()
            .and_then(|descriptor| File::from(descriptor).metadata())
            .map_err(|source| self.unreadable(source))?;
        Ownership::check(&metadata)
            .map_err(|why| ScanError::Ownership { dir: self.path.clone(), why })
    }

    /// A candidate of any name.
    pub(super) fn entry(&self, name: OsString) -> Candidate {
        Candidate { path: self.path.join(&name), directory: Arc::clone(&self.descriptor), name }
    }

    fn names(&self) -> Result<Vec<OsString>, ScanError> {
        let unreadable = |source| self.unreadable(source);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            let name = entry.file_name();
            if is_plugin_name(name.as_bytes()) && (kind.is_file() || kind.is_symlink()) {
                names.push(name);
            }
        }
        if names.len() > MAX_FILES {
            return Err(ScanError::TooMany { dir: self.path.clone(), found: names.len() });
        }
        Ok(names)
    }

    fn unreadable(&self, source: io::Error) -> ScanError {
        ScanError::Read { dir: self.path.clone(), source }
    }
}

/// Hidden names are what `rsync` and editors use while they write.
fn is_plugin_name(name: &[u8]) -> bool {
    name.ends_with(b".so") && !name.starts_with(b".")
}

/// Why a plugins directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// There is no such directory.
    #[error("plugins directory {}: does not exist; make it or correct --plugins-dir", shown(dir))]
    Missing {
        /// As it was named.
        dir: PathBuf,
    },
    /// There is something else of that name.
    #[error(
        "plugins directory {}: is not a directory; name the directory that holds the .so files",
        shown(dir)
    )]
    NotADirectory {
        /// As it was named.
        dir: PathBuf,
    },
    /// The system refused to read it.
    #[error("plugins directory {}: cannot be read: {source}", shown(dir))]
    Read {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could put files into it.
    #[error("plugins directory {}: {why}", shown(dir))]
    Ownership {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        why: Ownership,
    },
    /// It looks like another directory than was meant.
    #[error(
        "plugins directory {}: holds {found} .so files, expected at most {MAX_FILES}; is it the right directory?",
        shown(dir)
    )]
    TooMany {
        /// The directory.
        dir: PathBuf,
        /// How many there are.
        found: usize,
    },
}

impl ScanError {
    /// Stable name of the kind of error, for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "plugins_dir.missing",
            Self::NotADirectory { .. } => "plugins_dir.not_a_directory",
            Self::Read { .. } => "plugins_dir.read",
            Self::Ownership { why: Ownership::Owner { .. }, .. } => "plugins_dir.owner",
            Self::Ownership { why: Ownership::Writable { .. }, .. } => "plugins_dir.mode",
            Self::TooMany { .. } => "plugins_dir.too_many",
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        match self {
            Self::Missing { dir }
            | Self::NotADirectory { dir }
            | Self::Read { dir, .. }
            | Self::Ownership { dir, .. }
            | Self::TooMany { dir, .. } => dir,
        }
    }
}

/// Most files in one directory. `/usr/lib` has more.
const MAX_FILES: usize = 256;
