//! One plugin file, opened once. All checks and the copy read from this descriptor, so that what was
//! checked and what is loaded cannot be two different files.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::error::Cause;

/// An open plugin file.
///
/// Limits: [`MAX_BYTES`].
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    metadata: Metadata,
}

impl Source {
    /// Opens an entry of an open directory.
    ///
    /// # Errors
    /// It is a symbolic link (its target would be outside of what was checked), no regular file, too big, or
    /// cannot be opened.
    pub(super) fn open(directory: impl AsFd, name: &OsStr) -> Result<Self, Cause> {
        // Without O_NONBLOCK a FIFO that takes the name's place between listing and opening would block.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(directory, name, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::ELOOP) => return Err(Cause::Symlink),
            Err(errno) => return Err(Cause::Read(errno.into())),
        };
        let metadata = file.metadata().map_err(Cause::Read)?;
        if !metadata.is_file() {
            return Err(Cause::NotRegular);
        }
        if metadata.len() > MAX_BYTES {
            return Err(Cause::TooBig { size: metadata.len() });
        }
        Ok(Self { file, metadata })
    }

    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The whole content.
    ///
    /// # Errors
    /// The system's, or [`Cause::TooBig`] when the file has grown since it was opened.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, Cause> {
        let mut content = Vec::new();
        self.read_into(&mut content).map_err(Cause::Read)?;
        let size = content.len() as u64;
        if size > MAX_BYTES { Err(Cause::TooBig { size }) } else { Ok(content) }
    }

    fn read_into(&mut self, content: &mut Vec<u8>) -> io::Result<()> {
        self.file.rewind()?;
        (&self.file).take(MAX_BYTES + 1).read_to_end(content)?;
        Ok(())
    }
}

/// Largest plugin file in bytes: it is read as a whole. Even debug builds stay at tens of megabytes.
pub(super) const MAX_BYTES: u64 = 256 << 20;
