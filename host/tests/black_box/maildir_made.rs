//! Maildirs that are made at the first mail: nothing is acknowledged that lies in a directory which a crash may take away.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::unistd::geteuid;

use crate::support::Setup;

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Nobody's, on any machine.
const USER: u32 = 64_242;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own directory");
}

/// Whoever may not read a directory can make others in it, but has no handle to sync it with.
#[test]
fn a_directory_whose_parent_cannot_be_synced_is_taken_back() {
    let mut setup = Setup::chain("Header|MailDir");
    let mail = setup.dir().join("mail");
    fs::create_dir(&mail).expect("our own directory");
    if geteuid().is_root() {
        // Whom modes do not keep from anything.
        set_mode(setup.dir(), 0o755);
        chown(&mail, Some(USER), Some(USER)).expect("root may");
        setup = setup.top("user", USER.to_string()).top("group", USER.to_string());
    }
    let daemon = setup.start();
    let mut client = daemon.client();
    let mut send =
        |to: &str| client.mail("a@example.com", &[&format!("{to}@example.test")], MESSAGE);
    assert!(send("other").starts_with("250 2.0.0 "));
    for part in ["", "test"] {
        set_mode(&mail.join(part), 0o300);
        for _ in 0..3 {
            let reply = send("test");
            assert!(reply.starts_with("451 4.3.0 "), "{part}: {reply}");
        }
        let made = mail.join("test").join(if part.is_empty() { "." } else { "cur" });
        assert!(!made.exists(), "{made:?} was not taken back");
        assert!(send("other").starts_with("250 2.0.0 "), "a maildir that is there");
        set_mode(&mail.join(part), 0o700);
        if part.is_empty() {
            assert!(send("test").starts_with("250 2.0.0 "));
            fs::remove_dir_all(mail.join("test/new")).expect("there");
            fs::remove_dir(mail.join("test/tmp")).expect("empty");
            fs::remove_dir(mail.join("test/cur")).expect("empty");
        }
    }
    daemon.log().wait_for("cannot read ");
    assert!(send("test").starts_with("250 2.0.0 "));
    assert_eq!((daemon.mails("test").len(), daemon.mails("other").len()), (1, 3));
    daemon.stop();
}
