//! A file without a name, seen as one slice of bytes.
//!
//! The one place of `unsafe` outside of the plugin border: memory that is a file changes when the file does, and
//! faults when the file is cut short.

use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::Mmap;

/// Bytes of a private file.
#[derive(Clone, Debug)]
pub(super) struct Mapped(Arc<Mmap>);

impl Mapped {
    /// Maps a file that nobody else can reach: it must have been created without a name and its descriptor must
    /// not have been given away. The file is taken, so that nobody can write to it afterwards either.
    #[allow(unsafe_code)] // the reason is below
    pub(super) fn of_unnamed(file: File) -> io::Result<Self> {
        // SAFETY: the file has no name and this was its only descriptor, which is closed on return: nothing can
        // write to it or cut it short while it is mapped. (A disk that fails to give a page back raises SIGBUS; the
        // page cache holds what was just written, and the process would not survive losing its program's pages either.)
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self(Arc::new(map)))
    }

    /// The bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}
