//! Directories that are synced for several messages at once.
//!
//! Never: a directory counts as synced for a message that was moved into it afterwards. So all of a batch are moved before the first
//! asks here, and the next batch begins anew.

use std::collections::HashMap;
use std::io;

use crate::directory::{Directory, StorageError, failed};

/// What has been synced since the messages were moved, and with what result.
#[derive(Debug, Default)]
pub(crate) struct SyncOnce(HashMap<(u64, u64), Result<(), i32>>);

impl SyncOnce {
    /// Syncs a directory unless that was done. One that could not be synced is not asked again: the system may
    /// tell of an error once only, and it is true of all that is in the directory.
    pub(crate) fn sync(&mut self, directory: &Directory) -> Result<(), StorageError> {
        let id = directory.id()?;
        match self.0.get(&id) {
            Some(Ok(())) => Ok(()),
            Some(Err(code)) => {
                let e = io::Error::from_raw_os_error(*code);
                Err(failed("cannot sync", directory.path(), e))
            }
            None => {
                let synced = directory.sync();
                self.0.insert(id, synced.as_ref().copied().map_err(StorageError::code));
                synced
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_known_by_what_it_is_and_not_by_its_path() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        std::fs::create_dir(&a).unwrap();
        let first = Directory::open(&a).unwrap();
        std::fs::rename(&a, &b).unwrap();
        std::fs::create_dir(&a).unwrap();
        let (second, third) = (Directory::open(&a).unwrap(), Directory::open(&b).unwrap());
        let mut once = SyncOnce::default();
        for directory in [&first, &second, &third] {
            once.sync(directory).unwrap();
        }
        assert_eq!(once.0.len(), 2);
    }

    #[test]
    fn one_that_cannot_be_synced_is_so_for_all() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::open(root.path()).unwrap();
        let mut once = SyncOnce::default();
        once.0.insert(directory.id().unwrap(), Err(5));
        let e = once.sync(&directory).unwrap_err().to_string();
        assert!(e.starts_with("cannot sync ") && e.contains("os error 5"), "{e}");
    }
}
