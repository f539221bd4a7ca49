//! What a shared object needs from the system it is loaded on.

use object::NativeEndian;
use object::elf;
use object::read::elf::FileHeader;

use super::elf::{ElfError, Image};
use super::one_line::{LIMIT, one_line};

/// Needs of a file, as far as its section headers tell. For people: nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Libraries it is linked to (`DT_NEEDED`), in order.
    pub(super) libraries: Vec<String>,
    /// Highest version of glibc a symbol was taken from.
    pub(super) glibc: Option<(u32, u32)>,
}

impl Needs {
    /// Reads them.
    ///
    /// # Errors
    /// The tables make no sense.
    pub(super) fn of(image: &Image<'_>) -> Result<Self, ElfError> {
        Self::read(image).map_err(|_| ElfError::Malformed("dynamic section"))
    }

    fn read(image: &Image<'_>) -> object::read::Result<Self> {
        let bytes = image.bytes;
        let sections = image.header.sections(NativeEndian, bytes)?;
        let dynamic = sections.dynamic_table(NativeEndian, bytes)?;
        let mut libraries = Vec::new();
        for entry in dynamic.iter().filter(|entry| entry.tag == elf::DT_NEEDED).take(MAX_ENTRIES) {
            let name = dynamic.string(entry)?;
            libraries.push(one_line(&String::from_utf8_lossy(name), LIMIT));
        }
        let mut glibc = None;
        if let Some((needs, link)) = sections.gnu_verneed(NativeEndian, bytes)? {
            let strings = sections.strings(NativeEndian, bytes, link)?;
            // Entries chain by offsets that a damaged file can make short: the product of both loops is bounded.
            let mut left = MAX_ENTRIES;
            for need in needs {
                let (_, versions) = need?;
                for version in versions.take(left) {
                    left -= 1;
                    glibc = glibc.max(glibc_version(version?.name(NativeEndian, strings)?));
                }
                if left == 0 {
                    break;
                }
            }
        }
        Ok(Self { libraries, glibc })
    }
}

/// `GLIBC_2.34` and `GLIBC_2.3.4`; other symbol versions are not the C library's.
fn glibc_version(name: &[u8]) -> Option<(u32, u32)> {
    let name = str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut parts = name.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Most libraries, and most symbol versions, that are looked at.
const MAX_ENTRIES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_glibc_versions_as_numbers() {
        assert_eq!(glibc_version(b"GLIBC_2.34"), Some((2, 34)));
        assert_eq!(glibc_version(b"GLIBC_2.3.4"), Some((2, 3)));
        assert!(glibc_version(b"GLIBC_2.9") < glibc_version(b"GLIBC_2.34"));
        for other in ["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "GCC_3.0", "GLIBC_2"] {
            assert_eq!(glibc_version(other.as_bytes()), None, "{other}");
        }
    }
}
