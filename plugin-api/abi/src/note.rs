//! Where the manifest stands in a plugin file: an ELF note, so that it can be read without running
//! any of the file's code, and survives `strip`.

/// Section of the note.
pub const SECTION: &str = ".note.guerrilla.plugin";

/// Owner of the note, as in its name field (with its closing NUL and padded to a multiple of four bytes).
pub const OWNER: [u8; 12] = *b"Guerrilla\0\0\0";

/// Length of the owner with its NUL and without the padding.
pub const OWNER_LEN: u32 = 10;

/// Type of the note: a manifest, JSON in UTF-8.
pub const TYPE_MANIFEST: u32 = 1;

/// The note as it lies in the file. `N` is the length of the manifest in bytes.
#[repr(C, align(4))]
pub struct Note<const N: usize> {
    namesz: u32,
    descsz: u32,
    kind: u32,
    name: [u8; 12],
    desc: [u8; N],
}

impl<const N: usize> Note<N> {
    /// A note with this manifest.
    pub const fn manifest(desc: [u8; N]) -> Self {
        Self { namesz: OWNER_LEN, descsz: N as u32, kind: TYPE_MANIFEST, name: OWNER, desc }
    }

    /// The manifest.
    pub const fn desc(&self) -> &[u8; N] {
        &self.desc
    }
}
