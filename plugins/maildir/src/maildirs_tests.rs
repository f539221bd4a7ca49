use std::fs::{self, File};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::ownership::Owner;
use crate::testing::{a_user, commit, config_at, files_below, found, maildirs_at, own, ownership};

fn deliver(maildirs: &Maildirs, to: Vec<(usize, Mailbox)>) -> u64 {
    let pieces: [&[u8]; 1] = [b"x"];
    let written = maildirs.prepare(&mut Opened::default(), to, || pieces.into_iter()).unwrap();
    commit(written.sync().unwrap()).unwrap()
}

#[test]
fn start_makes_and_repairs_the_maildirs_of_listed_users() {
    let root = tempfile::tempdir().unwrap();
    let (uid, gid) = a_user();
    let map = format!("alice={uid}:{gid}, Bob=-1:-1, *=-1:-1");
    let maildirs = maildirs_at(root.path(), "home/[user]/Maildir", &map).unwrap();
    assert!(!root.path().join("home").exists(), "making an instance touches nothing");
    maildirs.start(&Identity::current()).unwrap();
    for folder in ["tmp", "new", "cur"] {
        let alice = root.path().join("home/alice/Maildir").join(folder);
        assert_eq!(ownership(alice), (uid, gid, 0o700));
        assert!(root.path().join("home/Bob/Maildir").join(folder).is_dir());
    }
    assert_eq!(fs::read_dir(root.path().join("home")).unwrap().count(), 2);

    for folder in ["cur", "new"] {
        fs::remove_dir(root.path().join("home/alice/Maildir").join(folder)).unwrap();
        maildirs.start(&Identity::current()).unwrap();
        assert!(root.path().join("home/alice/Maildir").join(folder).is_dir(), "{folder}");
    }
}

#[test]
fn start_removes_what_a_crash_has_left() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs_at(root.path(), "[user]", "a=-1:-1,b=-1:-1").unwrap();
    assert_eq!(maildirs.start(&Identity::current()).unwrap(), 0);
    for user in ["a", "b"] {
        let file = File::create(root.path().join(user).join("tmp/left")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(40 * 3600)).unwrap();
    }
    assert_eq!(maildirs.start(&Identity::current()).unwrap(), 2);
    assert_eq!(files_below(root.path()).len(), 0);
}

#[test]
fn start_with_domains_makes_the_base_only() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs_at(root.path(), "mail/[domain]/[user]", "a=-1:-1").unwrap();
    maildirs.start(&Identity::current()).unwrap();
    assert_eq!(fs::read_dir(root.path().join("mail")).unwrap().count(), 0);
}

#[test]
fn a_failed_start_names_path_and_reason() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("a")).unwrap();
    fs::write(root.path().join("a/Maildir"), "").unwrap();
    let maildirs = maildirs_at(root.path(), "[user]/Maildir", "a=-1:-1").unwrap();
    let failed = maildirs.start(&Identity::current()).unwrap_err().to_string();
    let path = root.path().join("a/Maildir").display().to_string();
    assert!(failed.contains(&path) && failed.contains("no directory"), "{failed}");
    assert!(!failed.contains('\n'));
}

#[test]
fn start_without_the_right_to_give_files_away_fails() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs_at(root.path(), "[user]", "a=-1:-1,b=1001:1002").unwrap();
    let unprivileged = Identity::of(1003, vec![1003]);
    let failed = maildirs.start(&unprivileged).unwrap_err().to_string();
    assert!(failed.contains("uid 1003") && failed.contains("\"b\" to 1001:1002"), "{failed}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "and has made nothing");
}

#[test]
fn recipients_find_their_maildir() {
    let root = tempfile::tempdir().unwrap();
    let map = "Alice=1:2,bob=3:4";
    let maildirs = maildirs_at(root.path(), "[domain]/[user]/Maildir", map).unwrap();
    let alice = maildirs.find("ALICE", "Example.COM").unwrap();
    assert_eq!(alice.place().0.parts, ["example.com", "Alice", "Maildir"]);
    assert_eq!(alice.owner(), Owner { uid: Some(1), gid: Some(2) });
    assert_eq!(maildirs.find("carol", "example.com"), Err(Unknown::NoSuchUser));
    assert_eq!(maildirs.find("../x", "d"), Err(Unknown::BadName(BadName::LeadingDot)));
    assert_eq!(maildirs.find("a/b", "d"), Err(Unknown::BadName(BadName::Slash)));
    assert_eq!(maildirs.find("bob", ".."), Err(Unknown::BadName(BadName::LeadingDot)));
    assert_eq!(maildirs.find("bob", ""), Err(Unknown::BadName(BadName::Empty)));
    let literal = maildirs.find("bob", "[192.0.2.1]").unwrap();
    assert_eq!(literal.place().0.parts[0], "[192.0.2.1]");
}

#[test]
fn names_that_are_not_in_the_path_are_checked_all_the_same() {
    let root = tempfile::tempdir().unwrap();
    let shared = maildirs_at(root.path(), "all", "*=-1:-1").unwrap();
    assert!(shared.find("anybody", "d").is_ok());
    assert_eq!(shared.find("a\0b", "d"), Err(Unknown::BadName(BadName::Control)));
    assert_eq!(shared.find(&"x".repeat(256), "d"), Err(Unknown::BadName(BadName::TooLong)));
}

#[test]
fn users_of_one_directory_need_one_owner() {
    let root = tempfile::tempdir().unwrap();
    let refused = maildirs_at(root.path(), "[domain]/all", "a=1:1,b=2:2").err();
    assert!(matches!(refused, Some(SetupError::SharedByOwners)));
    maildirs_at(root.path(), "all", "a=1:1,b=1:1,*=1:1").unwrap();
    maildirs_at(root.path(), "[user]", "a=1:1,b=2:2").unwrap();
}

#[test]
fn a_client_cannot_name_its_way_into_a_foreign_directory() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("backup")).unwrap();
    let (own_uid, own_gid) = own();
    // Somebody else's, from where the catch-all's user stands: as root, root's; else that of any other uid.
    let map = format!("*={}:{own_gid}", own_uid + 4242);
    let maildirs = maildirs_at(root.path(), "[user]", &map).unwrap();
    let refused = maildirs.prepare(&mut Opened::default(), found(&maildirs, &["Backup@d"]), || {
        [&b"x"[..]].into_iter()
    });
    assert!(matches!(refused, Err(StorageError::Foreign { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(root.path().join("backup")).unwrap().count(), 0);
}

#[test]
fn first_deliveries_at_the_same_time_make_one_maildir() {
    let root = tempfile::tempdir().unwrap();
    let (uid, gid) = a_user();
    let map = format!("*={uid}:{gid}");
    let maildirs = maildirs_at(root.path(), "[domain]/[user]/Maildir", &map).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for i in 0..10 {
                    let recipient = format!("u{i}@d{}", i % 3);
                    deliver(&maildirs, found(&maildirs, &[&recipient]));
                }
            });
        }
    });
    assert_eq!(files_below(root.path()).len(), 80);
    for file in files_below(root.path()) {
        assert_eq!(ownership(&file), (uid, gid, 0o600));
        assert_eq!(ownership(file.parent().unwrap()), (uid, gid, 0o700));
    }
}

#[test]
fn a_home_directory_is_known() {
    assert!(home().is_some_and(|home| home.is_absolute()));
    assert_eq!(home_of(Uid::from_raw(0)), Some(PathBuf::from("/root")));
}

#[test]
fn tags_choose_folders_that_readers_know() {
    let root = tempfile::tempdir().unwrap();
    let (uid, gid) = a_user();
    let mut config = config_at(root.path(), "[user]", &format!("alice={uid}:{gid},c+d=-1:-1"));
    config.maildir_folder_separator = "+".to_owned();
    let maildirs = Maildirs::new(&config, Box::new(|_| {})).unwrap();
    let to = found(&maildirs, &["alice+Lists.Rust@d", "alice+..@d", "alice@d", "C+D@d"]);
    assert_eq!(deliver(&maildirs, to), 3);
    assert_eq!(maildirs.find("bob+alice", "d"), Err(Unknown::NoSuchUser));

    let folder = root.path().join("alice/.lists.rust");
    assert_eq!(ownership(folder.join("maildirfolder")), (uid, gid, 0o600));
    assert_eq!(fs::read_dir(folder.join("new")).unwrap().count(), 1);
    for part in ["alice/.lists.rust/cur", "alice/.lists.rust/tmp", "alice/cur"] {
        assert_eq!(ownership(root.path().join(part)), (uid, gid, 0o700), "{part}");
    }
    assert_eq!(fs::read_dir(root.path().join("alice/new")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(root.path().join("c+d/new")).unwrap().count(), 1);
}

#[test]
fn a_folder_too_many_is_the_inbox() {
    let root = tempfile::tempdir().unwrap();
    let mut config = config_at(root.path(), "[user]", "a=-1:-1");
    config.maildir_folder_separator = "-".to_owned();
    let maildirs = Maildirs::new(&config, Box::new(|_| {})).unwrap();
    for i in 0..crate::folder::MOST_FOLDERS {
        fs::create_dir_all(root.path().join(format!("a/.f{i}"))).unwrap();
    }
    for recipient in ["a-new@d", "a-f7@d"] {
        let to = found(&maildirs, &[recipient]);
        assert_eq!(deliver(&maildirs, to), 1);
    }
    assert!(!root.path().join("a/.new").exists());
    assert_eq!(fs::read_dir(root.path().join("a/new")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(root.path().join("a/.f7/new")).unwrap().count(), 1);
}

/// It is not on stable storage yet, and may be taken back.
#[test]
fn what_is_being_made_is_not_delivered_into() {
    let root = tempfile::tempdir().unwrap();
    let maildirs = maildirs_at(root.path(), "[user]/mail", "*=-1:-1").unwrap();
    let to = |user: &str| found(&maildirs, &[&format!("{user}@d")]);
    for user in ["a", "b"] {
        deliver(&maildirs, to(user));
    }
    let (sent, arrived) = mpsc::channel();
    thread::scope(|scope| {
        let path = to("a").remove(0).1.path().whole();
        let done = making::alone(&path, || {
            assert_eq!(deliver(&maildirs, to("b")), 1, "others are not waited for");
            let delivering = scope.spawn(|| {
                let delivered = deliver(&maildirs, to("a"));
                sent.send(()).unwrap();
                delivered
            });
            let early = arrived.recv_timeout(Duration::from_millis(200));
            assert!(early.is_err(), "into a directory that is not synced");
            // As when that has failed.
            fs::remove_dir_all(root.path().join("a/mail")).unwrap();
            delivering
        });
        assert_eq!(done.join().unwrap(), 1);
    });
    let kept = files_below(root.path());
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept[0].starts_with(root.path().join("a/mail/new")), "made again: {kept:?}");
}
