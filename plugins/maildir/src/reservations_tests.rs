use std::fs;
use std::path::Path;

use super::*;
use crate::delivery::{Prepared, Written};
use crate::maildirs::Maildirs;
use crate::opened::Opened;
use crate::testing::{commit, config_at, files_below, found};

const LETTER: &[u8] = b"Subject: x\r\n\r\nbody\r\n";
/// Stored with LF.
const STORED: u64 = 17;

/// With a quota for everybody; `b` has one message, `c` what he likes.
fn maildirs(root: &Path, quota: &str) -> Maildirs {
    let mut config = config_at(root, "[user]", "a=-1:-1,b=-1:-1:1C,c=-1:-1:none");
    config.maildir_quota = quota.to_owned();
    config.maildir_folder_separator = "+".to_owned();
    Maildirs::new(&config, Box::new(|_| {})).unwrap()
}

fn prepare(maildirs: &Maildirs, recipients: &[&str]) -> Result<Prepared, StorageError> {
    maildirs
        .prepare(&mut Opened::default(), found(maildirs, recipients), || [LETTER].into_iter())
        .and_then(Written::sync)
}

fn deliver(maildirs: &Maildirs, recipient: &str) -> bool {
    match prepare(maildirs, &[recipient]) {
        Ok(prepared) => commit(prepared).unwrap() == 1,
        Err(StorageError::OverQuota(_)) => false,
        Err(e) => panic!("{e}"),
    }
}

fn size_file(root: &Path, user: &str) -> String {
    fs::read_to_string(root.join(user).join("maildirsize")).unwrap()
}

fn mails(root: &Path) -> usize {
    files_below(root).iter().filter(|file| !file.ends_with("maildirsize")).count()
}

#[test]
fn a_maildir_takes_what_its_quota_allows() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs(root.path(), "50S");
    assert!(deliver(&maildirs, "a@d") && deliver(&maildirs, "a@d"));
    assert_eq!(size_file(root.path(), "a"), format!("50S\n0 0\n{STORED} 1\n{STORED} 1\n"));
    assert!(!deliver(&maildirs, "a@d"), "51 octets");
    assert!(deliver(&maildirs, "b@d") && !deliver(&maildirs, "b@d"), "a quota of one's own");
    for _ in 0..4 {
        assert!(deliver(&maildirs, "c@d"), "none");
    }
    assert!(!root.path().join("c/maildirsize").exists());
    assert_eq!(mails(root.path()), 2 + 1 + 4);
}

#[test]
fn folders_count_for_the_maildir_they_are_in() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs(root.path(), "2C");
    assert!(deliver(&maildirs, "a+lists@d") && deliver(&maildirs, "a@d"));
    assert!(!deliver(&maildirs, "a+other@d"));
    assert!(!root.path().join("a/.lists/maildirsize").exists());
    assert!(size_file(root.path(), "a").starts_with("2C\n"));
}

#[test]
fn mail_that_a_reader_has_removed_makes_room() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs(root.path(), "2C");
    assert!(deliver(&maildirs, "a@d") && deliver(&maildirs, "a@d"));
    let stored = fs::read_dir(root.path().join("a/new")).unwrap();
    stored.for_each(|entry| fs::remove_file(entry.unwrap().path()).unwrap());
    assert!(deliver(&maildirs, "a@d"), "counted anew, for the file said full and was not fresh");
    assert_eq!(size_file(root.path(), "a"), format!("2C\n0 0\n{STORED} 1\n"));
}

#[test]
fn a_full_maildir_is_not_counted_for_each_message() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs(root.path(), "2C");
    assert!(deliver(&maildirs, "a@d") && deliver(&maildirs, "a@d") && !deliver(&maildirs, "a@d"));
    let made = size_file(root.path(), "a");
    assert_eq!(made, format!("2C\n{} 2\n", 2 * STORED));
    let before = fs::metadata(root.path().join("a/maildirsize")).unwrap().modified().unwrap();
    for _ in 0..3 {
        assert!(!deliver(&maildirs, "a@d"));
    }
    let after = fs::metadata(root.path().join("a/maildirsize")).unwrap().modified().unwrap();
    assert_eq!((size_file(root.path(), "a"), before), (made, after));
}

#[test]
fn another_quota_is_another_count() {
    let root = tempfile::tempdir().unwrap();
    assert!(deliver(&maildirs(root.path(), "1C"), "a@d"));
    let wider = maildirs(root.path(), "2C");
    assert!(deliver(&wider, "a@d") && !deliver(&wider, "a@d"));
}

#[test]
fn what_is_not_delivered_gives_its_room_back() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs(root.path(), "1C");
    let on_its_way = prepare(&maildirs, &["a@d"]).unwrap();
    assert!(!deliver(&maildirs, "a@d"), "taken, also when it is counted anew");
    assert!(size_file(root.path(), "a").contains(&format!("{STORED} 1\n")));
    drop(on_its_way);
    assert!(deliver(&maildirs, "a@d"));

    // One of several is full: nobody gets it, and the others have their room back.
    let several = prepare(&maildirs, &["b@d", "a@d"]);
    assert!(matches!(several, Err(StorageError::OverQuota(_))));
    assert!(deliver(&maildirs, "b@d"));
    assert_eq!(mails(root.path()), 2);
}

#[test]
fn deliveries_at_the_same_time_do_not_share_the_last_room() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs(root.path(), "20C");
    let delivered: usize = std::thread::scope(|scope| {
        let one = || (0..10).filter(|_| deliver(&maildirs, "a@d")).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((delivered, mails(root.path())), (20, 20));
}

#[test]
fn a_look_knows_only_what_was_counted_a_short_while_ago() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs(root.path(), "1C");
    let a = maildirs.find("a", "d").unwrap();
    assert!(!is_known_to_be_full(&a, 0), "no maildir yet");
    assert!(deliver(&maildirs, "a@d"));
    assert!(!is_known_to_be_full(&a, 0), "to be counted");
    assert!(!deliver(&maildirs, "a@d"));
    assert!(is_known_to_be_full(&a, 0));
    let file = fs::File::options().write(true).open(root.path().join("a/maildirsize")).unwrap();
    file.set_modified(SystemTime::now() - std::time::Duration::from_secs(3600)).unwrap();
    assert!(!is_known_to_be_full(&a, 0), "a reader may have made room");
    assert!(!is_known_to_be_full(&maildirs.find("c", "d").unwrap(), u64::MAX));
}
