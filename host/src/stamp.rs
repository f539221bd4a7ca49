//! What tells a file from what it was: for files that are read again when somebody has put others in their place
//! (certificates, plugins, whatever the settings of a processor name).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which file stands under a name, and when it was last changed. Links are followed: they are what is changed when
/// certificates are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    /// Seconds and nanoseconds. Not the time of modification: tools that keep it when they copy a file in place are
    /// common.
    changed: (i64, i64),
    size: u64,
}

impl Stamp {
    /// Of the file that is there now; `None` when there is none, or it may not be looked at.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            changed: (file.ctime(), file.ctime_nsec()),
            size: file.size(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_of_the_same_size_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let (path, draft) = (dir.path().join("file"), dir.path().join("draft"));
        assert_eq!(Stamp::of(&path), None);
        fs::write(&path, "one").unwrap();
        let first = Stamp::of(&path);
        assert!(first.is_some());
        assert_eq!(Stamp::of(&path), first);
        fs::write(&draft, "two").unwrap();
        fs::rename(&draft, &path).unwrap();
        assert_ne!(Stamp::of(&path), first);
    }
}
