use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::testing::{a_user, own, ownership};

fn listed(uid: Option<u32>, gid: Option<u32>) -> Keeping {
    Keeping { owner: Owner { uid, gid }, kind: Kind::Listed }
}

fn anybodys() -> Keeping {
    listed(None, None)
}

#[test]
fn what_is_missing_on_the_base_path_is_made_for_all_to_pass() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b");
    assert!(Directory::open(&path).unwrap_err().is_missing());
    Directory::open_or_make(&path).unwrap();
    Directory::open_or_make(&path).unwrap();
    let (uid, gid) = own();
    assert_eq!(ownership(root.path().join("a")), (uid, gid, 0o755));
    assert_eq!(ownership(&path), (uid, gid, 0o755));
}

#[test]
fn links_on_the_base_path_are_the_operators_and_followed() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("real")).unwrap();
    symlink("real", root.path().join("link")).unwrap();
    Directory::open_or_make(&root.path().join("link/made")).unwrap();
    assert!(root.path().join("real/made").is_dir());
}

#[test]
fn a_child_is_made_for_its_user() {
    let root = tempfile::tempdir().unwrap();
    let (uid, gid) = a_user();
    let base = Directory::open(root.path()).unwrap();
    let keeping = listed(Some(uid), Some(gid));
    assert!(base.child("u", keeping).unwrap_err().is_missing());
    base.child_or_make("u", keeping).unwrap();
    assert_eq!(ownership(root.path().join("u")), (uid, gid, 0o700));
    base.child_or_make("group", listed(None, Some(gid))).unwrap();
    assert_eq!(ownership(root.path().join("group")), (own().0, gid, 0o700));
    base.child_or_make("user", listed(Some(uid), None)).unwrap();
    assert_eq!(ownership(root.path().join("user")), (uid, own().1, 0o700));
}

#[test]
fn links_and_files_are_not_taken_for_directories() {
    let root = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), root.path().join("link")).unwrap();
    symlink("nowhere", root.path().join("dangling")).unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let base = Directory::open(root.path()).unwrap();
    for name in ["link", "dangling", "file"] {
        let refused = base.child_or_make(name, anybodys()).unwrap_err();
        assert!(matches!(refused, StorageError::NotADirectory(_)), "{name}: {refused}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_swapped_path_does_not_redirect_an_open_directory() {
    let root = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let base = Directory::open(root.path()).unwrap();
    let opened = base.child_or_make("u", anybodys()).unwrap();
    fs::rename(root.path().join("u"), root.path().join("moved")).unwrap();
    symlink(outside.path(), root.path().join("u")).unwrap();
    opened.make_file("mail").unwrap();
    assert!(root.path().join("moved/mail").is_file());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_foreign_directory_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let base = Directory::open(root.path()).unwrap();
    fs::create_dir(root.path().join("u")).unwrap();
    let chosen = Keeping { owner: Owner { uid: Some(4711), gid: None }, kind: Kind::Chosen };
    let refused = base.child_or_make("u", chosen).unwrap_err();
    assert!(matches!(refused, StorageError::Foreign { uid, .. } if uid == own().0), "{refused}");
    assert!(!refused.to_string().contains('\n'));
}

#[test]
fn a_directory_that_only_the_daemon_can_use_is_handed_to_its_user() {
    let root = tempfile::tempdir().unwrap();
    let base = Directory::open(root.path()).unwrap();
    let (uid, gid) = a_user();
    for (name, mode) in [("closed", 0o700), ("open", 0o755)] {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::set_permissions(root.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        base.child_or_make(name, listed(Some(uid), Some(gid))).unwrap();
    }
    assert_eq!(ownership(root.path().join("closed")), (uid, gid, 0o700));
    let (own_uid, own_gid) = own();
    assert_eq!(ownership(root.path().join("open")), (own_uid, own_gid, 0o755));
}

#[test]
fn files_are_private_and_never_written_over() {
    let root = tempfile::tempdir().unwrap();
    let base = Directory::open(root.path()).unwrap();
    base.make_file("a").unwrap();
    assert_eq!(ownership(root.path().join("a")).2, 0o600);
    assert!(base.make_file("a").unwrap_err().is_taken());
    symlink(root.path().join("target"), root.path().join("link")).unwrap();
    assert!(base.make_file("link").unwrap_err().is_taken());
    assert!(!root.path().join("target").exists());
}

#[test]
fn a_directory_of_mode_0711_can_be_passed() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("home")).unwrap();
    let home = Directory::open(&root.path().join("home")).unwrap();
    home.child_or_make("u", anybodys()).unwrap();
    fs::set_permissions(root.path().join("home"), fs::Permissions::from_mode(0o311)).unwrap();
    let home = Directory::open(&root.path().join("home")).unwrap();
    home.child("u", anybodys()).unwrap().make_file("mail").unwrap();
}
