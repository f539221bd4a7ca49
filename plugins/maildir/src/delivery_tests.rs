use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::maildirs::Maildirs;
use crate::opened::Opened;
use crate::testing::{a_user, commit, files_below, found, maildirs_at, own, ownership};

const MAIL: [&[u8]; 2] = [b"Received: here\r\n", b"Subject: x\r\n\r\nbody\r\n"];
const STORED: &str = "Received: here\nSubject: x\n\nbody\n";

fn prepare(maildirs: &Maildirs, recipients: &[&str]) -> Result<Prepared, StorageError> {
    maildirs
        .prepare(&mut Opened::default(), found(maildirs, recipients), || MAIL.into_iter())
        .and_then(Written::sync)
}

fn everybody(root: &Path) -> Maildirs {
    maildirs_at(root, "[user]/Maildir", "*=-1:-1").unwrap()
}

fn many() -> Vec<String> {
    (0..GROUP * 2 + 3).map(|i| format!("u{i}@d")).collect()
}

fn count(root: &Path, folder: &str) -> usize {
    let lies_in = |file: &Path| file.parent().unwrap().ends_with(folder);
    files_below(root).iter().filter(|file| lies_in(file)).count()
}

#[test]
fn a_copy_is_in_tmp_until_it_is_committed() {
    let root = tempfile::tempdir().unwrap();
    let prepared = prepare(&everybody(root.path()), &["a@d"]).unwrap();
    let written = files_below(root.path());
    assert_eq!(written.len(), 1);
    assert!(written[0].parent().unwrap().ends_with("a/Maildir/tmp"));
    assert_eq!(fs::read_to_string(&written[0]).unwrap(), STORED);

    assert_eq!(commit(prepared).unwrap(), 1);
    let delivered = files_below(root.path());
    assert_eq!(delivered.len(), 1);
    assert!(delivered[0].parent().unwrap().ends_with("a/Maildir/new"));
    assert_eq!(fs::read_to_string(&delivered[0]).unwrap(), STORED);
    let name = delivered[0].file_name().unwrap().to_str().unwrap();
    assert!(name.ends_with(&format!(",S={}", STORED.len())), "{name}");
    assert!(root.path().join("a/Maildir/cur").is_dir());
}

#[test]
fn a_bounded_number_of_messages_keep_their_maildir_open() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = everybody(root.path());
    let is_open = |prepared: &Prepared| prepared.copies.iter().any(|copy| copy.open.is_some());
    let prepared: Vec<_> =
        (0..MOST_KEPT + 2).map(|_| prepare(&maildirs, &["a@d"]).unwrap()).collect();
    assert_eq!(prepared.iter().filter(|prepared| is_open(prepared)).count(), MOST_KEPT);
    prepared.into_iter().for_each(|prepared| assert_eq!(commit(prepared).unwrap(), 1));
    assert_eq!(count(root.path(), "new"), MOST_KEPT + 2);
    assert!(is_open(&prepare(&maildirs, &["a@d"]).unwrap()), "they have been closed");
    assert!(!is_open(&prepare(&maildirs, &["a@d", "b@d"]).unwrap()));
}

#[test]
fn what_is_not_committed_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let recipients = many();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let maildirs = everybody(root.path());
    let mut prepared = prepare(&maildirs, &recipients).unwrap();
    assert_eq!(count(root.path(), "tmp"), recipients.len());
    assert!(prepared.undo().is_empty());
    assert_eq!(files_below(root.path()).len(), 0);
    drop(prepare(&maildirs, &recipients).unwrap());
    assert_eq!(files_below(root.path()).len(), 0);
}

#[test]
fn every_recipient_gets_a_copy_and_shared_maildirs_get_one() {
    let root = tempfile::tempdir().unwrap();
    let recipients = many();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let maildirs = everybody(root.path());
    assert_eq!(commit(prepare(&maildirs, &recipients).unwrap()).unwrap(), 35);
    assert_eq!(count(root.path(), "new"), 35);
    let again = prepare(&maildirs, &["x@d", "X@d", "x@other", "x@d"]).unwrap();
    assert_eq!(commit(again).unwrap(), 1);
    let shared = maildirs_at(root.path(), "all", "*=-1:-1").unwrap();
    assert_eq!(commit(prepare(&shared, &["a@d", "b@d"]).unwrap()).unwrap(), 1);
    assert!(matches!(prepare(&shared, &[]), Err(StorageError::NoRecipient)));
}

#[test]
fn a_recipient_that_is_refused_later_gets_no_copy() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = everybody(root.path());
    let mut prepared = prepare(&maildirs, &["a@d", "b@d", "c@d", "C@d"]).unwrap();
    assert!(prepared.keep_only(|index| [0, 3].contains(&index)).is_empty());
    assert_eq!(count(root.path(), "tmp"), 2);
    assert_eq!(commit(prepared).unwrap(), 2);
    assert!(!files_below(root.path()).iter().any(|file| file.starts_with(root.path().join("b"))));
}

#[test]
fn a_copy_that_cannot_be_written_takes_the_others_back() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = everybody(root.path());
    let recipients = many();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    fs::write(root.path().join("u34"), "not a directory").unwrap();
    let refused = prepare(&maildirs, &recipients).unwrap_err();
    assert!(matches!(refused, StorageError::NotADirectory(_)), "{refused}");
    assert!(!refused.is_full());
    assert_eq!(files_below(root.path()), [root.path().join("u34")]);
}

#[test]
fn a_copy_that_cannot_be_moved_takes_the_moved_ones_back() {
    let root = tempfile::tempdir().unwrap();
    let recipients = many();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let prepared = prepare(&everybody(root.path()), &recipients).unwrap();
    fs::remove_dir(root.path().join("u34/Maildir/new")).unwrap();
    let failed = commit(prepared).unwrap_err().to_string();
    assert!(failed.contains("u34/Maildir/new"), "{failed}");
    assert!(!failed.contains("may remain"), "{failed}");
    assert_eq!(files_below(root.path()).len(), 0);
}

#[test]
fn where_each_is_answered_the_others_keep_their_copies() {
    let root = tempfile::tempdir().unwrap();
    let recipients = many();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let prepared = prepare(&everybody(root.path()), &recipients).unwrap();
    for user in ["u0", "u15", "u16", "u34"] {
        fs::remove_dir(root.path().join(user).join("Maildir/new")).unwrap();
    }
    let (delivered, refused) = prepared.commit_each();
    let of: Vec<usize> = refused.iter().flat_map(|(of, _)| of.clone()).collect();
    assert_eq!((delivered, of), (31, vec![0, 15, 16, 34]));
    assert!(refused.iter().all(|(_, e)| e.to_string().contains("Maildir/new")));
    assert_eq!((count(root.path(), "new"), count(root.path(), "tmp")), (31, 0));
}

#[test]
fn a_copy_that_a_reader_has_taken_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let prepared = prepare(&everybody(root.path()), &["a@d", "b@d"]).unwrap();
    let in_tmp = files_below(&root.path().join("b"));
    fs::remove_file(&in_tmp[0]).unwrap();
    let failed = commit(prepared).unwrap_err().to_string();
    assert!(failed.starts_with("cannot move a file to"), "{failed}");
    assert!(failed.contains("a copy may remain: cannot remove"), "{failed}");
    assert_eq!(files_below(root.path()).len(), 0);
}

/// As when descriptors have run out: the directory is there and cannot be opened.
#[test]
fn what_cannot_be_taken_back_is_taken_back_later() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = everybody(root.path());
    let [tmp, away] = ["tmp", "away"].map(|name| root.path().join("a/Maildir").join(name));
    let mut prepared = prepare(&maildirs, &["a@d"]).unwrap();
    fs::rename(&tmp, &away).unwrap();
    fs::write(&tmp, "no directory").unwrap();
    assert_eq!(prepared.undo().len(), 1);
    // Still not.
    drop(prepare(&maildirs, &["b@d"]).unwrap());
    fs::remove_file(&tmp).unwrap();
    fs::rename(&away, &tmp).unwrap();
    assert_eq!(count(root.path(), "tmp"), 1);
    drop(prepare(&maildirs, &["b@d"]).unwrap());
    assert_eq!(files_below(root.path()).len(), 0);
}

#[test]
fn a_link_in_place_of_a_sub_directory_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    for folder in ["a", "b/Maildir", "c/Maildir/tmp", "d/Maildir/new"] {
        let link = root.path().join(folder);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.path(), link).unwrap();
    }
    let maildirs = everybody(root.path());
    for recipient in ["a@d", "b@d", "c@d", "d@d"] {
        let refused = prepare(&maildirs, &[recipient]).unwrap_err();
        assert!(matches!(refused, StorageError::NotADirectory(_)), "{recipient}: {refused}");
    }
    let prepared = prepare(&maildirs, &["e@d"]).unwrap();
    let new = root.path().join("e/Maildir/new");
    fs::remove_dir(&new).unwrap();
    symlink(outside.path(), &new).unwrap();
    commit(prepared).unwrap_err();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn files_belong_to_their_user() {
    let root = tempfile::tempdir().unwrap();
    let (uid, gid) = a_user();
    let (own_uid, own_gid) = own();
    let map = format!("both={uid}:{gid},user={uid}:-1,group=-1:{gid},none=-1:-1");
    let maildirs = maildirs_at(root.path(), "deep/[domain]/x/[user]/home/Maildir", &map).unwrap();
    let recipients =
        ["both@Example.com", "user@example.com", "group@example.com", "none@example.com"];
    commit(prepare(&maildirs, &recipients).unwrap()).unwrap();

    for (name, uid, gid) in [
        ("both", uid, gid),
        ("user", uid, own_gid),
        ("group", own_uid, gid),
        ("none", own_uid, own_gid),
    ] {
        let user = root.path().join("deep/example.com/x").join(name);
        for folder in ["", "home", "home/Maildir", "home/Maildir/tmp", "home/Maildir/cur"] {
            assert_eq!(ownership(user.join(folder)), (uid, gid, 0o700), "{name}/{folder}");
        }
        let files = files_below(&user);
        assert_eq!(files.len(), 1);
        assert_eq!(ownership(&files[0]), (uid, gid, 0o600), "{name}");
    }
    for shared in ["deep", "deep/example.com", "deep/example.com/x"] {
        assert_eq!(ownership(root.path().join(shared)), (own_uid, own_gid, 0o755), "{shared}");
    }
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let Some(_mount) = SmallDisk::mount(root.path()) else {
        eprintln!("cannot mount a small disk: checking with a limit on the size of files");
        return with_small_files("delivery::tests::a_file_that_cannot_grow_leaves_nothing_behind");
    };
    let maildirs = everybody(root.path());
    commit(prepare(&maildirs, &["a@d", "b@d"]).unwrap()).unwrap();
    let before = files_below(root.path());

    let body = vec![b'x'; 400 << 10];
    let pieces: [&[u8]; 1] = [&body];
    let full =
        maildirs.prepare(&mut Opened::default(), found(&maildirs, &["a@d", "b@d", "c@d"]), || {
            pieces.into_iter()
        });
    let full = full.unwrap_err();
    assert!(full.is_full(), "{full}");
    assert_eq!(files_below(root.path()), before);

    commit(prepare(&maildirs, &["a@d", "b@d"]).unwrap()).unwrap();
    assert_eq!(files_below(root.path()).len(), 4, "there is room again");
}

/// Also run by [`a_full_disk_leaves_nothing_behind`] in a process that may not write large files.
#[test]
fn a_file_that_cannot_grow_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = everybody(root.path());
    let body = vec![b'x'; 400 << 10];
    let pieces: [&[u8]; 1] = [&body];
    let written =
        maildirs.prepare(&mut Opened::default(), found(&maildirs, &["a@d", "b@d"]), || {
            pieces.into_iter()
        });
    if std::env::var_os(SMALL_FILES).is_some() {
        assert!(written.unwrap_err().to_string().starts_with("cannot write"));
        assert_eq!(files_below(root.path()).len(), 0);
    } else {
        drop(written.unwrap());
        with_small_files("delivery::tests::a_file_that_cannot_grow_leaves_nothing_behind");
    }
}

/// Runs a test of this file in a process that may not write large files and ignores the signal about it.
fn with_small_files(test: &str) {
    // What it says goes into a pipe: a file, such as the log of a test run, may be too large for it already.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(SMALL_FILES, "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

const SMALL_FILES: &str = "MAILDIR_TEST_SMALL_FILES";

/// A file system of a few hundred kilobytes; unmounted when dropped.
struct SmallDisk<'p>(&'p Path);

impl<'p> SmallDisk<'p> {
    fn mount(at: &'p Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        mount.then(|| Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}
