use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;
use crate::ownership::{Kind, Owner};
use crate::testing::{a_user, ownership};

struct Maildir {
    root: tempfile::TempDir,
    handle: Directory,
}

impl Maildir {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for part in ["cur", "new", "tmp"] {
            fs::create_dir(root.path().join(part)).unwrap();
        }
        let handle = Directory::open(root.path()).unwrap();
        Self { root, handle }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn put(&self, name: &str, bytes: usize) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), "x".repeat(bytes)).unwrap();
    }

    fn read(&self, text: &str) -> Option<MaildirSize> {
        fs::write(self.path(NAME), text).unwrap();
        self.look()
    }

    fn look(&self) -> Option<MaildirSize> {
        MaildirSize::read(&self.handle, quota(), SystemTime::now())
    }

    fn make(&self) -> Usage {
        let on_its_way = Usage { bytes: 1000, messages: 1 };
        MaildirSize::make(&self.handle, quota(), KEEPING, "unique", on_its_way).unwrap().held
    }
}

const KEEPING: Keeping = Keeping { owner: Owner::UNCHANGED, kind: Kind::Listed };

fn quota() -> Quota {
    "5000S,10C".parse().unwrap()
}

fn held(bytes: u64, messages: u64) -> Usage {
    Usage { bytes, messages }
}

#[test]
fn the_lines_add_up() {
    let maildir = Maildir::new();
    let size = maildir.read("5000S,10C\n100 1\n").unwrap();
    assert_eq!(size, MaildirSize { held: held(100, 1), is_fresh: true });
    // As another deliverer pads them, in another order and with a removal.
    let size = maildir.read("10C,5000S\n         100            1\n50 1\n-30 -1\n").unwrap();
    assert_eq!(size, MaildirSize { held: held(120, 1), is_fresh: false });
    let later = SystemTime::now() + FRESH * 2;
    fs::write(maildir.path(NAME), "5000S,10C\n100 1\n").unwrap();
    assert!(!MaildirSize::read(&maildir.handle, quota(), later).unwrap().is_fresh);
}

#[test]
fn what_cannot_be_believed_is_not() {
    let maildir = Maildir::new();
    assert_eq!(maildir.look(), None, "there is none");
    let huge = i64::MAX;
    for text in [
        "",
        "5000S,10C",
        "5000S,10C\n",
        "5000S\n1 1\n",
        "5000S,10C\n1\n",
        "5000S,10C\n1 x\n",
        "5000S,10C\n1 1\n2 2",
        "5000S,10C\n-1 1\n",
        "5000S,10C\n1 -1\n",
        "\0\n1 1\n",
        &format!("5000S,10C\n{huge} 1\n{huge} 1\n"),
        &format!("5000S,10C\n{}", "1 1\n".repeat(2000)),
    ] {
        assert_eq!(maildir.read(text), None, "{text:.40?}");
    }
    fs::write(maildir.path(NAME), b"5000S,10C\n1 1\n\xff\n").unwrap();
    assert_eq!(maildir.look(), None);
}

#[test]
fn only_a_plain_file_of_its_own_is_touched() {
    let maildir = Maildir::new();
    let foreign = maildir.path("foreign");
    let text = "5000S,10C\n1 1\n";
    let make: [fn(&Path, &Path); 3] = [
        |to, name| symlink(to, name).unwrap(),
        |to, name| fs::hard_link(to, name).unwrap(),
        |_, name| nix::unistd::mkfifo(name, nix::sys::stat::Mode::S_IRWXU).unwrap(),
    ];
    for make in make {
        fs::write(&foreign, text).unwrap();
        make(&foreign, &maildir.path(NAME));
        assert_eq!(maildir.look(), None);
        // Whatever comes of it: the foreign file stays as it is.
        let _ = add(&maildir.handle, 7, 1);
        assert_eq!(maildir.make(), held(1000, 1));
        add(&maildir.handle, 7, 1).unwrap();
        assert_eq!(fs::read_to_string(&foreign).unwrap(), text);
        assert_eq!(maildir.look().unwrap().held, held(1007, 2));
        fs::remove_file(maildir.path(NAME)).unwrap();
    }
}

#[test]
fn counting_finds_what_counts() {
    let maildir = Maildir::new();
    maildir.put("new/1.a.host,S=100", 3);
    maildir.put("cur/2.a.host,S=200,W=210:2,S", 3);
    maildir.put("cur/3.a.host:2,RS", 40);
    maildir.put("cur/4.a.host,S=x:2,", 50);
    maildir.put("cur/5.a.host,S=9999:2,ST", 3);
    maildir.put("new/.hidden", 9999);
    maildir.put("tmp/6.a.host", 9999);
    maildir.put(".lists.rust/cur/7.a.host,S=1000:2,", 3);
    maildir.put(".lists.rust/new/8.a.host", 10);
    maildir.put(".Trash/cur/9.a.host,S=9999:2,", 3);
    maildir.put(".not-a-folder", 9999);
    fs::create_dir(maildir.path("new/directory")).unwrap();
    symlink("/etc/passwd", maildir.path("new/link")).unwrap();
    symlink("/", maildir.path(".link")).unwrap();
    // With the one on its way.
    let all = held(100 + 200 + 40 + 50 + 1000 + 10 + 1000, 7);
    assert_eq!(maildir.make(), all);
    assert_eq!(maildir.look(), Some(MaildirSize { held: all, is_fresh: true }));
    assert_eq!(fs::read_to_string(maildir.path(NAME)).unwrap(), "5000S,10C\n2400 7\n");
    assert_eq!(fs::read_dir(maildir.path("tmp")).unwrap().count(), 1, "nothing is left there");
}

#[test]
fn the_file_is_its_users() {
    let maildir = Maildir::new();
    let (uid, gid) = a_user();
    let keeping = Keeping { owner: Owner { uid: Some(uid), gid: Some(gid) }, kind: Kind::Listed };
    MaildirSize::make(&maildir.handle, quota(), keeping, "unique", Usage::default()).unwrap();
    assert_eq!(ownership(maildir.path(NAME)), (uid, gid, 0o600));
}

#[test]
fn nothing_is_added_where_nothing_is_counted() {
    let maildir = Maildir::new();
    add(&maildir.handle, 5, 1).unwrap();
    assert!(!maildir.path(NAME).exists());
}
