//! The processor through the border, as the daemon calls it: the verdicts, and what they leave on disk.

mod fake_host;

use std::fs;
use std::path::Path;
use std::process::Command;

use fake_host::{Processor, begin, log, refuse, verdict};
use guerrilla_plugin_abi::{Phase, Status};
use maildir::MailDir;

fn processor(root: &Path, users: &str) -> Processor {
    begin("ESMTP", &[]);
    let path = format!("{}/[user]", root.display());
    let config = serde_json::json!({ "maildir_path": path, "maildir_user_map": users });
    let processor = Processor::create::<MailDir>(&config.to_string());
    let started = processor.and_then(|processor| processor.start().map(|()| processor));
    started.unwrap_or_else(|e| panic!("{e}"))
}

/// Number of files of a user in a folder; a maildir that was not made has none.
fn count(root: &Path, user: &str, folder: &str) -> usize {
    fs::read_dir(root.join(user).join(folder)).map_or(0, Iterator::count)
}

const DONE: (Status, u16) = (Status::CONTINUE, 0);

#[test]
fn an_accepted_mail_is_delivered_once_the_chain_has_settled() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1,b=-1:-1");
    begin("ESMTP", &["a@example.com", "B@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), DONE);
    assert_eq!((count(root.path(), "a", "tmp"), count(root.path(), "a", "new")), (1, 0));
    assert_eq!(maildir.settle(Status::ACCEPT), Status::CONTINUE);
    for user in ["a", "b"] {
        assert_eq!((count(root.path(), user, "tmp"), count(root.path(), user, "new")), (0, 1));
    }
}

#[test]
fn a_mail_reader_finds_the_mail() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1");
    begin("ESMTP", &["a@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), DONE);
    assert_eq!(maildir.settle(Status::CONTINUE), Status::CONTINUE);
    let program = "import mailbox, sys
for mail in mailbox.Maildir(sys.argv[1], create=False):
    print(mail.get_subdir(), mail['Subject'], mail.get_payload())";
    let read = Command::new("python3").args(["-c", program]).arg(root.path().join("a")).output();
    assert_eq!(String::from_utf8_lossy(&read.unwrap().stdout), "new x body\n\n");
}

#[test]
fn whatever_else_the_chain_comes_to_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1");
    for outcome in [Status::DEFER, Status::REJECT, Status::DISCARD, Status::PANICKED] {
        begin("ESMTP", &["a@example.com"]);
        assert_eq!(maildir.ask(Phase::SAVE), DONE);
        assert_eq!(maildir.settle(outcome), Status::CONTINUE);
        assert_eq!((count(root.path(), "a", "tmp"), count(root.path(), "a", "new")), (0, 0));
    }
    begin("ESMTP", &["a@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), DONE);
    maildir.stop();
    assert_eq!(count(root.path(), "a", "tmp"), 0);
}

#[test]
fn what_was_not_prepared_is_not_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1");
    begin("ESMTP", &["a@example.com"]);
    assert_eq!(maildir.settle(Status::CONTINUE), Status::DEFER);
    assert_eq!(maildir.settle(Status::DEFER), Status::CONTINUE);

    assert_eq!(maildir.ask(Phase::SAVE), DONE);
    fs::remove_dir(root.path().join("a/new")).unwrap();
    assert_eq!(maildir.settle(Status::CONTINUE), Status::DEFER);
    assert_eq!(count(root.path(), "a", "tmp"), 0);
}

#[test]
fn recipients_without_a_maildir_are_refused_at_rcpt() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1,postmaster=-1:-1");
    for (recipient, answer) in [
        ("A@example.com", DONE),
        ("Postmaster", DONE),
        ("b@example.com", (Status::REJECT, 550)),
        ("../a@example.com", (Status::REJECT, 553)),
        ("a/b@example.com", (Status::REJECT, 553)),
        (".a@example.com", (Status::REJECT, 553)),
        ("a\0@example.com", (Status::REJECT, 553)),
    ] {
        begin("ESMTP", &["a@example.com", recipient]);
        assert_eq!(maildir.ask(Phase::RCPT), answer, "{recipient:?}");
    }
}

#[test]
fn a_mail_with_an_unknown_recipient_is_never_kept_for_the_others_in_silence() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1");
    begin("ESMTP", &["a@example.com", "b@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), (Status::REJECT, 550));
    assert_eq!(maildir.settle(Status::REJECT), Status::CONTINUE);
    assert_eq!(count(root.path(), "a", "tmp"), 0);

    begin("LMTP", &["b@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), (Status::REJECT, 550));

    begin("LMTPS", &["b@example.com", "a@example.com", "x/y@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), DONE);
    assert_eq!(maildir.settle(Status::CONTINUE), Status::CONTINUE);
    assert_eq!((verdict(0), verdict(1)), (Some(Status::REJECT), None));
    assert_eq!(verdict(2), Some(Status::REJECT));
    assert_eq!(count(root.path(), "a", "new"), 1);
}

#[test]
fn recipients_that_other_stages_refuse_get_no_copy() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1,b=-1:-1,c=-1:-1");
    begin("LMTP", &["a@example.com", "b@example.com", "c@example.com"]);
    refuse(0);
    assert_eq!(maildir.ask(Phase::SAVE), DONE);
    refuse(2);
    assert_eq!(maildir.settle(Status::CONTINUE), Status::CONTINUE);
    let delivered = ["a", "b", "c"].map(|user| count(root.path(), user, "new"));
    assert_eq!(delivered, [0, 1, 0]);
    assert_eq!(count(root.path(), "c", "tmp"), 0);
}

#[test]
fn trouble_with_storage_is_temporary_and_named_in_the_log() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1");
    fs::remove_dir(root.path().join("a/tmp")).unwrap();
    fs::write(root.path().join("a/tmp"), "").unwrap();
    begin("ESMTP", &["a@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), (Status::DEFER, 451));
    assert!(log().iter().any(|line| line.contains("a/tmp")), "{:?}", log());
}

#[test]
fn naming_it_twice_in_a_chain_delivers_no_duplicates() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1");
    begin("ESMTP", &["a@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), DONE);
    assert_eq!(maildir.ask(Phase::SAVE), (Status::DEFER, 0));
    assert_eq!(maildir.settle(Status::DEFER), Status::CONTINUE);
    assert_eq!((count(root.path(), "a", "tmp"), count(root.path(), "a", "new")), (0, 0));
}

#[test]
fn a_configuration_that_cannot_be_used_is_explained_in_one_line() {
    begin("ESMTP", &[]);
    for (config, says) in [
        (r#"{"maildir_path":"/m/[user]","maildir_user_map":"a=1"}"#, "\"a=1\""),
        (r#"{"maildir_path":"/m/[user]","maildir_user_map":""}"#, "names nobody"),
        (r#"{"maildir_path":"","maildir_user_map":"a=1:1"}"#, "maildir_path is empty"),
        (r#"{"maildir_user_map":"a=1:1"}"#, "maildir_path"),
    ] {
        let refused = Processor::create::<MailDir>(config).err().unwrap();
        assert!(refused.contains(says) && !refused.contains('\n'), "{refused}");
    }
}

#[test]
fn over_lmtp_a_broken_maildir_is_the_trouble_of_its_own_recipients_only() {
    let root = tempfile::tempdir().unwrap();
    let maildir = processor(root.path(), "a=-1:-1,b=-1:-1");
    fs::remove_dir_all(root.path().join("b")).unwrap();
    fs::write(root.path().join("b"), "no directory").unwrap();
    begin("LMTP", &["a@example.com", "b@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), DONE);
    assert_eq!((verdict(0), verdict(1)), (None, Some(Status::DEFER)));
    assert_eq!(maildir.settle(Status::ACCEPT), Status::CONTINUE);
    assert_eq!(count(root.path(), "a", "new"), 1);

    begin("ESMTP", &["a@example.com", "b@example.com"]);
    assert_eq!(maildir.ask(Phase::SAVE), (Status::DEFER, 451));
    assert_eq!(count(root.path(), "a", "tmp"), 0);
}
