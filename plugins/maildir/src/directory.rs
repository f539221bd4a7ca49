//! Directories by handle.
//!
//! A user may rename what lies in his own directories at any time, also between a check and a use. So
//! everything below the operator's base path is reached from the handle of its parent, never by its whole path,
//! and without following symbolic links; and whose a directory is, is read from its handle.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, fchown, fsync, unlinkat};

use crate::ownership::{Keeping, Kind, Owner};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    /// Whether the handle can read and sync, and not only pass through.
    reads: bool,
    /// For messages only.
    path: PathBuf,
}

impl Directory {
    /// Opens a directory of the operator's by its path, following links.
    pub(crate) fn open(path: &Path) -> Result<Self, StorageError> {
        let fd = open(path, PASS, Mode::empty()).map_err(|e| failed("cannot open", path, e))?;
        Ok(Self { fd, reads: false, path: path.to_owned() })
    }

    /// As [`Directory::open`], making what is missing. `path` is absolute.
    pub(crate) fn open_or_make(path: &Path) -> Result<Self, StorageError> {
        match Self::open(path) {
            Err(e) if e.is_missing() => {}
            done => return done,
        }
        let mut directory = Self::open(Path::new("/"))?;
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            let path = directory.path.join(name);
            directory = match Self::open(&path) {
                Err(e) if e.is_missing() => {
                    directory.make(&path, SHARED)?;
                    Self::open(&path)?
                }
                done => done?,
            };
        }
        Ok(directory)
    }

    /// Opens a directory in this one, if it is as it is to be kept.
    pub(crate) fn child(&self, name: &str, keeping: Keeping) -> Result<Self, StorageError> {
        self.open_child(name, keeping, false)
    }

    /// As [`Directory::child`], to be synced soon: the handle kept here does that, too.
    pub(crate) fn child_to_sync(&self, name: &str, keeping: Keeping) -> Result<Self, StorageError> {
        self.open_child(name, keeping, true)
    }

    fn open_child(&self, name: &str, keeping: Keeping, reads: bool) -> Result<Self, StorageError> {
        let path = self.path.join(name);
        let flags = if reads { READ } else { PASS } | OFlag::O_NOFOLLOW;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ELOOP | Errno::ENOTDIR) => return Err(StorageError::NotADirectory(path)),
            Err(e) => return Err(failed("cannot open", &path, e)),
        };
        let uid = fstat(&fd).map_err(|e| failed("cannot stat", &path, e))?.st_uid;
        if !keeping.accepts(uid) {
            return Err(StorageError::Foreign { path, uid, owner: keeping.owner });
        }
        Ok(Self { fd, reads, path })
    }

    /// As [`Directory::child`], making it when it is missing, and giving it to its user when only the daemon can use it.
    pub(crate) fn child_or_make(&self, name: &str, keeping: Keeping) -> Result<Self, StorageError> {
        match self.child(name, keeping) {
            Err(e) if e.is_missing() => self.make(&self.path.join(name), keeping)?,
            found => {
                let found = found?;
                found.give_if_needed(keeping)?;
                return Ok(found);
            }
        }
        self.child(name, keeping)
    }

    /// Makes a directory in this one that survives a crash, or none. One that another has made meanwhile is left alone.
    fn make(&self, path: &Path, keeping: Keeping) -> Result<(), StorageError> {
        let name = path.file_name().unwrap_or_default();
        match mkdirat(&self.fd, name, Mode::S_IRWXU) {
            Ok(()) => {}
            Err(Errno::EEXIST) => return Ok(()),
            Err(e) => return Err(failed("cannot make", path, e)),
        }
        self.finish_making(path, keeping).inspect_err(|_| {
            // The next message would find it, and not that it may be gone after a crash. Where it stays, the disk takes no mail, or
            // somebody has put something into it.
            let _ = unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir);
        })
    }

    fn finish_making(&self, path: &Path, keeping: Keeping) -> Result<(), StorageError> {
        let name = path.file_name().unwrap_or_default();
        let fd = openat(&self.fd, name, READ | OFlag::O_NOFOLLOW, Mode::empty())
            .map_err(|e| failed("cannot open", path, e))?;
        // The umask has had its say in the mode of mkdir.
        fchmod(&fd, Mode::from_bits_truncate(keeping.mode()))
            .map_err(|e| failed("cannot set the mode of", path, e))?;
        give(&fd, keeping.new_owner(), path)?;
        self.sync()
    }

    fn give_if_needed(&self, keeping: Keeping) -> Result<(), StorageError> {
        let stat = fstat(&self.fd).map_err(|e| failed("cannot stat", &self.path, e))?;
        if keeping.must_be_given(stat.st_uid, stat.st_mode) {
            give(&self.readable()?, keeping.new_owner(), &self.path)?;
        }
        Ok(())
    }

    /// Waits until entries that were made, moved or removed here are on stable storage.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let synced = if self.reads { fsync(&self.fd) } else { fsync(self.readable()?) };
        synced.map_err(|e| failed("cannot sync", &self.path, e))
    }

    /// What it is, whatever it is called: device and inode.
    pub(crate) fn id(&self) -> Result<(u64, u64), StorageError> {
        let stat = fstat(&self.fd).map_err(|e| failed("cannot stat", &self.path, e))?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Names of the entries of this directory.
    pub(crate) fn names(&self) -> Result<Vec<String>, StorageError> {
        let unreadable = |e| failed("cannot list", &self.path, e);
        let mut entries = Dir::from_fd(self.readable()?).map_err(unreadable)?;
        let mut names = Vec::new();
        for entry in entries.iter() {
            names.extend(entry.map_err(unreadable)?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    /// Makes a file that only its owner can read. Fails when there is one of that name.
    pub(crate) fn make_file(&self, name: &str) -> Result<File, StorageError> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.fd, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map(File::from)
            .map_err(|e| failed("cannot make", &self.path.join(name), e))
    }

    /// Opens a file to read it. It may be of any kind: opening never waits, and no link is followed.
    pub(crate) fn open_file(&self, name: &str) -> Result<File, StorageError> {
        self.open_existing(name, OFlag::O_RDONLY)
    }

    /// Opens a file to add to it, likewise.
    pub(crate) fn append_to_file(&self, name: &str) -> Result<File, StorageError> {
        self.open_existing(name, OFlag::O_WRONLY | OFlag::O_APPEND)
    }

    fn open_existing(&self, name: &str, access: OFlag) -> Result<File, StorageError> {
        let flags = access | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(&self.fd, name, flags, Mode::empty())
            .map(File::from)
            .map_err(|e| failed("cannot open", &self.path.join(name), e))
    }

    /// Moves a file into another directory of the same file system.
    pub(crate) fn rename(&self, name: &str, to: &Self, new: &str) -> Result<(), StorageError> {
        renameat(&self.fd, name, &to.fd, new)
            .map_err(|e| failed("cannot move a file to", &to.path.join(new), e))
    }

    /// Removes a file.
    pub(crate) fn remove_file(&self, name: &str) -> Result<(), StorageError> {
        unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir)
            .map_err(|e| failed("cannot remove", &self.path.join(name), e))
    }

    /// A handle that can read and sync; the one kept here mostly passes through only, so that a directory of mode
    /// 0711 can be passed.
    pub(crate) fn readable(&self) -> Result<OwnedFd, StorageError> {
        openat(&self.fd, ".", READ, Mode::empty()).map_err(|e| failed("cannot read", &self.path, e))
    }

    /// For messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Gives a file or directory to its owner; what is left unchanged needs no right to change it.
pub(crate) fn give(
    fd: impl std::os::fd::AsFd,
    owner: Owner,
    path: &Path,
) -> Result<(), StorageError> {
    if owner == Owner::UNCHANGED {
        return Ok(());
    }
    let (uid, gid) = owner.ids();
    fchown(fd, uid, gid).map_err(|e| failed("cannot change the owner of", path, e))
}

/// What can go wrong between a message and its place on the disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("{doing} {path}: {source}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{0} is a symbolic link or no directory, and is not followed; put a directory in its place"
    )]
    NotADirectory(PathBuf),
    #[error(
        "{path} belongs to uid {uid} and is left alone; change its owner, or the {owner} of its user in maildir_user_map"
    )]
    Foreign { path: PathBuf, uid: u32, owner: Owner },
    #[error("{0} has too many folders")]
    TooManyFolders(PathBuf),
    #[error("{0} is over its quota")]
    OverQuota(PathBuf),
    #[error("the message has no recipient")]
    NoRecipient,
}

impl StorageError {
    /// Whether room is what is missing.
    pub(crate) fn is_full(&self) -> bool {
        let full = [Errno::ENOSPC as i32, Errno::EDQUOT as i32];
        self.os_error().is_some_and(|code| full.contains(&code))
    }

    /// Whether the mailbox may hold no more.
    pub(crate) fn is_over_quota(&self) -> bool {
        matches!(self, Self::OverQuota(_))
    }

    /// Whether the file or directory is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.os_error() == Some(Errno::ENOENT as i32)
    }

    /// Whether a name is taken.
    pub(crate) fn is_taken(&self) -> bool {
        self.os_error() == Some(Errno::EEXIST as i32)
    }

    /// The system's number for it, or for a disk that fails.
    pub(crate) fn code(&self) -> i32 {
        self.os_error().unwrap_or(Errno::EIO as i32)
    }

    fn os_error(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// An error of the system about a path.
pub(crate) fn failed(doing: &'static str, path: &Path, e: impl Into<io::Error>) -> StorageError {
    StorageError::Io { doing, path: path.to_owned(), source: e.into() }
}

/// A handle to pass through a directory needs no right to read it.
const PASS: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// One to read and sync it does.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// Directories of the base path that are missing.
const SHARED: Keeping = Keeping { owner: Owner::UNCHANGED, kind: Kind::Shared };

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
