//! What the tests share: real maildirs in a directory of their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid};

use crate::config::{Config, OverQuota};
use crate::delivery::{CommitError, Prepared};
use crate::line_ending::LineEnding;
use crate::mailbox::Mailbox;
use crate::maildirs::{Maildirs, SetupError};
use crate::sync_once::SyncOnce;

/// The maildirs of a configuration whose path lies below `root`.
pub(crate) fn maildirs_at(root: &Path, path: &str, users: &str) -> Result<Maildirs, SetupError> {
    Maildirs::new(&config_at(root, path, users), Box::new(|_| {}))
}

/// The configuration of those.
pub(crate) fn config_at(root: &Path, path: &str, users: &str) -> Config {
    Config {
        maildir_path: format!("{}/{path}", root.display()),
        maildir_user_map: users.to_owned(),
        maildir_user_file: String::new(),
        maildir_line_ending: LineEnding::Lf,
        maildir_folder_separator: String::new(),
        maildir_quota: String::new(),
        maildir_over_quota: OverQuota::Defer,
        save_workers_size: None,
    }
}

/// Delivers what has been prepared, alone.
pub(crate) fn commit(prepared: Prepared) -> Result<u64, CommitError> {
    prepared.move_to_new()?.sync(&mut SyncOnce::default())
}

/// Index and mailbox of some recipients, as `user@domain`.
pub(crate) fn found(maildirs: &Maildirs, recipients: &[&str]) -> Vec<(usize, Mailbox)> {
    let of = |recipient: &&str| {
        let (user, domain) = recipient.rsplit_once('@').unwrap();
        maildirs.find(user, domain).unwrap()
    };
    recipients.iter().map(of).enumerate().collect()
}

/// Every file below a directory, sorted.
pub(crate) fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let into =
                if entry.file_type().unwrap().is_dir() { &mut directories } else { &mut files };
            into.push(entry.path());
        }
    }
    files.sort();
    files
}

/// Uid, gid and permissions of a file or directory.
pub(crate) fn ownership(path: impl AsRef<Path>) -> (u32, u32, u32) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid(), meta.mode() & 0o7777)
}

/// Uid and gid to give files to: foreign ones as root. Without root no file can be given away, and
/// the tests check that the process's own ids are kept, which they say.
pub(crate) fn a_user() -> (u32, u32) {
    if geteuid().is_root() {
        return (4242, 4343);
    }
    eprintln!("not root: checking with the ids of this process, none are given away");
    own()
}

/// Uid and gid of this process.
pub(crate) fn own() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}
