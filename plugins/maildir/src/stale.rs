//! Files that a crash has left in `tmp`.
//!
//! They were never acknowledged. Other deliverers may be at work in the same `tmp`, so only files of an age
//! that no delivery reaches are removed: 36 hours, as maildir(5) says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstatat};

use crate::directory::{Directory, StorageError};

/// Removes the stale files of a `tmp` and answers how many they were.
pub(crate) fn remove_stale(tmp: &Directory, now: SystemTime) -> Result<u64, StorageError> {
    let handle = tmp.readable()?;
    let limit = now.checked_sub(STALE_AFTER).unwrap_or(UNIX_EPOCH);
    let limit = limit.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut removed = 0;
    for name in tmp.names()? {
        // One that is gone meanwhile, or that is not ours to see, is nothing to stop for.
        let Ok(stat) = fstatat(&handle, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else {
            continue;
        };
        let is_file = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
        let is_stale = u64::try_from(stat.st_mtime).unwrap_or(0) < limit;
        if is_file && is_stale && !name.starts_with('.') && tmp.remove_file(&name).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// After this time without a write a file in `tmp` belongs to no delivery.
const STALE_AFTER: Duration = Duration::from_secs(36 * 3600);

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::mailbox::Mailbox;
    use crate::ownership::Owner;
    use crate::path_template::PathTemplate;

    #[test]
    fn only_old_plain_files_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let template = PathTemplate::parse("m/[user]", None, root.path()).unwrap();
        let mailbox = Mailbox::new(template.fill("a", "d").unwrap(), Owner::UNCHANGED, true);
        let opened = mailbox.open_or_make().unwrap().tmp;
        let tmp = root.path().join("m/a/tmp");
        let now = SystemTime::now();
        let at_age = |name: &str, hours: u64| {
            let file = File::create(tmp.join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(hours * 3600)).unwrap();
        };
        at_age("old", 37);
        at_age("older", 3700);
        at_age("young", 35);
        at_age(".nfs0001", 37);
        fs::create_dir(tmp.join("directory")).unwrap();
        File::open(tmp.join("directory")).unwrap().set_modified(UNIX_EPOCH).unwrap();
        let outside = root.path().join("outside");
        fs::write(&outside, "x").unwrap();
        symlink(&outside, tmp.join("link")).unwrap();

        assert_eq!(remove_stale(&opened, now).unwrap(), 2);
        let mut left: Vec<_> =
            fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".nfs0001", "directory", "link", "young"]);
        assert!(outside.exists());
        assert_eq!(remove_stale(&opened, now).unwrap(), 0);
    }
}
