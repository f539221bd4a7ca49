//! The copy of a plugin file that is really loaded.
//!
//! The file in the plugins directory belongs to the operator, who may overwrite or truncate it at any time: code
//! mapped from it would change under the daemon's feet. And a path that was loaded once is never loaded again:
//! `dlopen` knows it by name and answers with the old code. So each load gets a copy of its own, under a name
//! that this process has never used.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::statvfs::{FsFlags, fstatvfs};
use tempfile::TempDir;

use super::digest::Digest;
use super::one_line::shown;
use super::ownership::Ownership;

/// A directory of this process alone. It is removed with all that is in it when dropped; what was loaded from it stays.
#[derive(Debug)]
pub(super) struct PrivateDir(TempDir);

impl PrivateDir {
    /// Makes one inside `runtime_dir`, or where temporary files go.
    ///
    /// # Errors
    /// The directory cannot be written, belongs to a stranger, or lies on a file system mounted `noexec`.
    pub(super) fn create(runtime_dir: Option<&Path>) -> Result<Self, RuntimeDirError> {
        let parent = runtime_dir.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed = |source| RuntimeDirError::Create { dir: parent.clone(), source };
        let parent = parent.canonicalize().map_err(failed)?;
        let directory = File::open(&parent).map_err(failed)?;
        // A stranger who may rename entries could exchange the directory between copy and load.
        Ownership::check_parent(&directory.metadata().map_err(failed)?)
            .map_err(|why| RuntimeDirError::Ownership { dir: parent.clone(), why })?;
        let mount = fstatvfs(&directory).map_err(|errno| failed(errno.into()))?;
        if mount.flags().contains(FsFlags::ST_NOEXEC) {
            return Err(RuntimeDirError::NoExec { dir: parent });
        }
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        tempfile::Builder::new()
            .prefix(&format!("guerrillad-plugins-{process}-{number}-"))
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map(Self)
            .map_err(failed)
    }

    /// Writes a copy and answers its absolute path.
    ///
    /// # Errors
    /// The system's: most likely there is no room.
    pub(super) fn store(
        &self,
        plugin: &str,
        generation: u64,
        digest: Digest,
        content: &[u8],
    ) -> io::Result<PathBuf> {
        let path = self.0.path().join(format!("{plugin}.{generation}.{}.so", digest.short()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(0o500))?;
        Ok(path)
    }
}

/// Whether a [`PrivateDir`] can be made there, by making one.
///
/// # Errors
/// As it has them.
pub(crate) fn check_runtime_dir(runtime_dir: Option<&Path>) -> Result<(), RuntimeDirError> {
    PrivateDir::create(runtime_dir).map(drop)
}

/// Number of the next directory: what makes its name one that this process has never used, whatever the random
/// part of it is.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Why there is no private directory.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeDirError {
    /// The system refused.
    #[error("plugin runtime directory {}: cannot be used: {source}; {SET}", shown(dir))]
    Create {
        /// Where it was to be.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A stranger could exchange the copies.
    #[error("plugin runtime directory {}: {why}, or {SET}", shown(dir))]
    Ownership {
        /// Where it was to be.
        dir: PathBuf,
        /// What is wrong with it.
        why: Ownership,
    },
    /// Nothing may be executed there.
    #[error(
        "plugin runtime directory {}: mounted noexec, expected a place that code may be loaded from; {SET}",
        shown(dir)
    )]
    NoExec {
        /// Where it was to be.
        dir: PathBuf,
    },
}

impl RuntimeDirError {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Create { .. } => "plugins_runtime_dir.create",
            Self::Ownership { .. } => "plugins_runtime_dir.mode",
            Self::NoExec { .. } => "plugins_runtime_dir.noexec",
        }
    }

    /// The directory that cannot be used.
    pub fn dir(&self) -> &Path {
        match self {
            Self::Create { dir, .. } | Self::Ownership { dir, .. } | Self::NoExec { dir } => dir,
        }
    }
}

const SET: &str = "set plugins_runtime_dir to a directory of the daemon's own";
