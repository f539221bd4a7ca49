//! Why a plugin file is refused: which file, what differs, what is expected, what to do. One line each.

use std::io;
use std::path::{Path, PathBuf};

use abi_stable::library::{AbiHeader, LibraryError};
use serde::{Deserialize, Serialize};

use super::attempt::AttemptError;
use super::crashes::{CrashFileError, Quarantine};
use super::digest::Digest;
use super::elf::ElfError;
use super::layout::REBUILD;
use super::manifest::ManifestError;
use super::one_line::{LIMIT, one_line, shown};
use super::ownership::Ownership;
use super::private_copy::RuntimeDirError;
use super::scan::ScanError;
use super::source::MAX_BYTES;

/// Why nothing, or not everything, could be loaded from a plugins directory. Displayed as one line.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The directory itself.
    #[error(transparent)]
    Directory(#[from] ScanError),
    /// The directory for the private copies.
    #[error(transparent)]
    RuntimeDirectory(#[from] RuntimeDirError),
    /// The record of crashes.
    #[error(transparent)]
    CrashFile(#[from] CrashFileError),
    /// One file of it.
    #[error("{}: {cause}", subject(path, plugin.as_deref()))]
    File {
        /// The file.
        path: PathBuf,
        /// Name of the plugin, once it was read.
        plugin: Option<String>,
        /// What is wrong with it.
        cause: Cause,
    },
}

impl LoadError {
    /// Stable name of the kind of error, such as `plugin.owner`: for logs, metrics and scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory(error) => error.code(),
            Self::RuntimeDirectory(error) => error.code(),
            Self::CrashFile(_) => "plugins.crash_file",
            Self::File { cause, .. } => cause.code(),
        }
    }

    /// What it is about: the file or a directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory(error) => error.dir(),
            Self::RuntimeDirectory(error) => error.dir(),
            Self::CrashFile(error) => error.path(),
            Self::File { path, .. } => path,
        }
    }
}

fn subject(path: &Path, plugin: Option<&str>) -> String {
    match plugin {
        Some(name) => format!("plugin '{name}' ({})", shown(path)),
        None => format!("plugin file {}", shown(path)),
    }
}

/// What is wrong with one plugin file, in the order of the checks.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// Following it would load a file from a place that was not checked.
    #[error(
        "is a symbolic link, expected a regular file; put the file itself (or a hard link) there"
    )]
    Symlink,
    /// A directory, FIFO, socket or device.
    #[error("is not a regular file; remove it")]
    NotRegular,
    /// The system refused to read it.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// Beyond reason.
    #[error("has {size} bytes, expected at most {MAX_BYTES}; strip it")]
    TooBig {
        /// Its size.
        size: u64,
    },
    /// Others could have written it.
    #[error(transparent)]
    Ownership(#[from] Ownership),
    /// No whole shared object for this machine with a manifest in it.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The operator has listed what may be loaded, and this is not on the list.
    #[error("is not listed in plugins_allow; add '{name}' there, or remove the file")]
    NotAllowed {
        /// Name of the plugin.
        name: String,
    },
    /// The operator has said which content is expected.
    #[error(
        "has sha256 {found}, expected {expected} (plugins_sha256); install the file that was meant, or correct the pin"
    )]
    Pin {
        /// Hash of its content.
        found: Digest,
        /// What it was to be.
        expected: String,
    },
    /// It is not to end the daemon again.
    #[error(
        "{why}: in quarantine, not loaded; replace the file, or let it be tried again: guerrillad plugins release {name}"
    )]
    Quarantined {
        /// What it has done.
        why: Quarantine,
        /// Name of the plugin.
        name: String,
    },
    /// A name that the host or another file offers.
    #[error(
        "{what} name '{name}' is also offered by {other}, expected one file per name; remove one of them"
    )]
    Duplicate {
        /// `plugin` or `processor`.
        what: &'static str,
        /// The name.
        name: String,
        /// Who else offers it.
        other: String,
    },
    /// The file that was checked is not the one that is there now.
    #[error("was changed while it was being loaded; replace files by renaming, and load again")]
    Changed,
    /// No private copy.
    #[error(
        "its private copy cannot be written: {0}; make room in the directory for temporary files"
    )]
    Copy(io::Error),
    /// The copy cannot be loaded.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A child process that tried it did not end well.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
}

impl Cause {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Symlink => "plugin.symlink",
            Self::NotRegular => "plugin.not_regular",
            Self::Read(_) => "plugin.read",
            Self::TooBig { .. } => "plugin.too_big",
            Self::Ownership(Ownership::Owner { .. }) => "plugin.owner",
            Self::Ownership(Ownership::Writable { .. }) => "plugin.mode",
            Self::Elf(error) => error.code(),
            Self::Manifest(error) => error.code(),
            Self::NotAllowed { .. } => "plugin.not_allowed",
            Self::Pin { .. } => "plugin.sha256",
            Self::Quarantined { .. } => "plugin.quarantine",
            Self::Duplicate { .. } => "plugin.duplicate",
            Self::Changed => "plugin.changed",
            Self::Copy(_) => "plugin.copy",
            Self::Open(error) => error.code(),
            Self::Attempt(error) => error.code(),
        }
    }

    /// As an error of a file.
    pub(super) fn of(self, path: &Path, plugin: Option<String>) -> LoadError {
        LoadError::File { path: path.to_owned(), plugin, cause: self }
    }
}

/// Why a file that looked well could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum OpenError {
    /// `dlopen` failed: a library or symbol is missing, the C library is too old.
    #[error(
        "cannot be loaded: {0}; install what is missing, or build it on the oldest system it is to run on"
    )]
    Dlopen(String),
    /// No symbol to begin at.
    #[error("has a manifest but no plugin header; build it again with export_plugin!")]
    NoHeader,
    /// The header is of another carrier.
    #[error("its plugin header is not usable: {0}; {REBUILD}")]
    Header(String),
    /// It cannot be checked.
    #[error(
        "hides the layout of its border types, expected it to be checkable; build it with export_plugin!"
    )]
    LayoutHidden,
    /// It was built against other types.
    #[error("its border types differ from this host's: {0}; {REBUILD}")]
    Layout(String),
    /// Its root constructor panicked.
    #[error("its root cannot be made: {0}; build it with export_plugin!")]
    Root(String),
    /// The code does not say what the note says: the note was edited, or belongs to other code.
    #[error(
        "its {0} differs between the code and the ELF note; build it again with export_plugin!"
    )]
    Disagrees(String),
}

impl OpenError {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dlopen(_) => "plugin.dlopen",
            Self::NoHeader => "plugin.no_header",
            Self::Header(_) => "plugin.header",
            Self::LayoutHidden => "plugin.layout_hidden",
            Self::Layout(_) => "plugin.layout",
            Self::Root(_) => "plugin.root",
            Self::Disagrees(_) => "plugin.disagrees",
        }
    }

    /// What the dynamic linker said; the path of the private copy tells an operator nothing.
    pub(super) fn dlopen(path: &Path, error: &libloading::Error) -> Self {
        let text = match error {
            libloading::Error::DlOpen { source } => source.to_string(),
            other => other.to_string(),
        };
        let path = path.to_string_lossy();
        let text = text.strip_prefix(&format!("{path}: ")).unwrap_or(&text);
        Self::Dlopen(one_line(&text.replace(&*path, "it"), LIMIT))
    }

    /// What is wrong with the header.
    pub(super) fn header(error: &LibraryError) -> Self {
        let host = AbiHeader::VALUE;
        Self::Header(match error {
            LibraryError::InvalidAbiHeader(found) if found.magic_string == host.magic_string => {
                let AbiHeader { abi_major, abi_minor, .. } = found;
                let (major, minor) = (host.abi_major, host.abi_minor);
                format!("made by abi_stable {abi_major}.{abi_minor}, expected {major}.{minor}")
            }
            LibraryError::InvalidAbiHeader(_) => "it is not one of abi_stable".to_owned(),
            other => one_line(&other.to_string(), LIMIT),
        })
    }

    pub(super) fn root(text: &str) -> Self {
        Self::Root(one_line(text, LIMIT))
    }
}
