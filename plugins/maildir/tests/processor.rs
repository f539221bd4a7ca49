//! The processor as the daemon calls it: the verdicts, and what they leave on disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use guerrilla_plugin_api::testkit::{Answer, Harness, InTransit, Mail, Session};
use guerrilla_plugin_api::{Batched, Phase, Verdict};
use maildir::MailDir;

fn maildir(root: &Path, users: &str) -> Harness<Batched<MailDir>> {
    let path = format!("{}/[user]", root.display());
    let config = serde_json::json!({ "maildir_path": path, "maildir_user_map": users });
    Harness::new(config).unwrap_or_else(|e| panic!("{e}"))
}

/// The same with these keys, too.
fn maildir_with(root: &Path, users: &str, more: serde_json::Value) -> Harness<Batched<MailDir>> {
    let mut config = more;
    config["maildir_path"] = format!("{}/[user]", root.display()).into();
    config["maildir_user_map"] = users.into();
    Harness::new(config).unwrap_or_else(|e| panic!("{e}"))
}

/// A mail to these.
fn mail(recipients: &[&str]) -> Mail {
    recipients.iter().fold(Mail::new().subject("x").body("body\r\n"), |mail, to| mail.to(to))
}

/// The same from a client that hears of each recipient.
fn by_lmtp<'a>(
    maildir: &'a Harness<Batched<MailDir>>,
    recipients: &[&str],
) -> InTransit<'a, Batched<MailDir>> {
    maildir.connect(Session::new().lmtp()).begin(mail(recipients))
}

/// Number of files of a user in a folder; a maildir that was not made has none.
fn count(root: &Path, user: &str, folder: &str) -> usize {
    fs::read_dir(root.join(user).join(folder)).map_or(0, Iterator::count)
}

const DONE: Verdict = Verdict::CONTINUE;

#[test]
fn an_accepted_mail_is_delivered_once_the_chain_has_settled() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1,b=-1:-1");
    let mut mail = maildir.begin(mail(&["a@example.com", "B@example.com"]));
    assert_eq!(mail.ask(Phase::Save), DONE);
    assert_eq!((count(root.path(), "a", "tmp"), count(root.path(), "a", "new")), (1, 0));
    assert_eq!(mail.settle(&Verdict::ACCEPT), DONE);
    for user in ["a", "b"] {
        assert_eq!((count(root.path(), user, "tmp"), count(root.path(), user, "new")), (0, 1));
    }
    assert_eq!(maildir.counter("delivered"), 2);
}

#[test]
fn a_mail_reader_finds_the_mail() {
    let root = tempfile::tempdir().unwrap();
    let keys = serde_json::json!({ "maildir_folder_separator": "+", "maildir_quota": "1M" });
    let maildir = maildir_with(root.path(), "a=-1:-1", keys);
    for to in ["a@example.com", "a+lists.rust@example.com"] {
        assert!(maildir.deliver(mail(&[to])).is_accepted());
    }
    let program = "import mailbox, sys
inbox = mailbox.Maildir(sys.argv[1], create=False)
for box in [inbox] + [inbox.get_folder(name) for name in inbox.list_folders()]:
    for mail in box:
        print(mail.get_subdir(), mail['Subject'], mail.get_payload(), end='')
print(inbox.list_folders())";
    let read = Command::new("python3").args(["-c", program]).arg(root.path().join("a")).output();
    let read = String::from_utf8(read.unwrap().stdout).unwrap();
    assert_eq!(read, "new x body\nnew x body\n['lists.rust']\n");
}

#[test]
fn messages_that_wait_together_are_answered_each_for_itself() {
    let root = tempfile::tempdir().unwrap();
    // One writer, so that the others wait for it.
    let maildir =
        maildir_with(root.path(), "*=-1:-1", serde_json::json!({ "save_workers_size": 1 }));
    fs::write(root.path().join("nowhere"), "").unwrap();
    let users = ["a", "b", "nowhere", "gone", "a"];
    // Some too large to be written together with others.
    let large = "A line of forty octets and no more.....\r\n".repeat(40_000);
    let body = |i: usize| if i.is_multiple_of(7) { large.as_str() } else { "body\r\n" };
    let to = |i: usize| format!("{}@example.com", users[i % users.len()]);
    let mut mails: Vec<_> =
        (0..100).map(|i| maildir.begin(Mail::new().body(body(i)).to(&to(i)))).collect();
    let saved: Vec<_> = mails.iter_mut().map(|mail| mail.submit(Phase::Save)).collect();
    for (i, (mail, saved)) in mails.iter_mut().zip(saved).enumerate() {
        let saved = saved.unwrap_or_else(|| mail.wait());
        assert_eq!(saved.is_deferred(), users[i % users.len()] == "nowhere", "{i}: {saved:?}");
    }
    fs::remove_dir(root.path().join("gone/new")).unwrap();
    let outcome = |i: usize| match users[i % users.len()] {
        "nowhere" => Verdict::DEFER,
        "b" => Verdict::REJECT,
        _ => Verdict::CONTINUE,
    };
    let settled: Vec<_> =
        mails.iter_mut().enumerate().map(|(i, mail)| mail.submit_settled(&outcome(i))).collect();
    for (i, (mail, settled)) in mails.iter_mut().zip(settled).enumerate() {
        let settled = settled.unwrap_or_else(|| mail.wait());
        assert_eq!(settled.is_deferred(), users[i % users.len()] == "gone", "{i}: {settled:?}");
    }
    for (user, delivered) in [("a", 40), ("b", 0), ("gone", 0)] {
        assert_eq!(count(root.path(), user, "new"), delivered, "{user}");
        assert_eq!(count(root.path(), user, "tmp"), 0, "{user}");
    }
    assert_eq!(maildir.counter("delivered"), 40);
}

#[test]
fn whatever_else_the_chain_comes_to_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1");
    for outcome in [Verdict::DEFER, Verdict::REJECT, Verdict::DISCARD, Verdict::DISCONNECT] {
        let mut mail = maildir.begin(mail(&["a@example.com"]));
        assert_eq!(mail.ask(Phase::Save), DONE);
        assert_eq!(mail.settle(&outcome), DONE);
        assert_eq!((count(root.path(), "a", "tmp"), count(root.path(), "a", "new")), (0, 0));
    }
    assert_eq!(maildir.begin(mail(&["a@example.com"])).ask(Phase::Save), DONE);
    assert_eq!(count(root.path(), "a", "tmp"), 1);
    maildir.stop();
    assert_eq!(count(root.path(), "a", "tmp"), 0);
}

#[test]
fn what_was_not_prepared_is_not_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1");
    let mut mail = maildir.begin(mail(&["a@example.com"]));
    assert_eq!(mail.settle(&DONE), Verdict::DEFER);
    assert_eq!(mail.settle(&Verdict::DEFER), DONE);

    assert_eq!(mail.ask(Phase::Save), DONE);
    fs::remove_dir(root.path().join("a/new")).unwrap();
    assert!(mail.settle(&DONE).is_deferred());
    assert_eq!(count(root.path(), "a", "tmp"), 0);
}

#[test]
fn recipients_without_a_maildir_are_refused_at_rcpt() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1,postmaster=-1:-1");
    for (recipient, code) in [
        ("A@example.com", None),
        ("Postmaster", None),
        ("b@example.com", Some(550)),
        ("../a@example.com", Some(553)),
        ("a/b@example.com", Some(553)),
        (".a@example.com", Some(553)),
        ("a\0@example.com", Some(553)),
    ] {
        let answer = maildir.begin(mail(&["a@example.com", recipient])).ask(Phase::Rcpt);
        assert_eq!((answer.is_rejected(), answer.code()), (code.is_some(), code), "{recipient:?}");
    }
}

#[test]
fn a_mail_with_an_unknown_recipient_is_never_kept_for_the_others_in_silence() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1");
    let mut smtp = maildir.begin(mail(&["a@example.com", "b@example.com"]));
    assert_eq!(smtp.ask(Phase::Save).code(), Some(550));
    assert_eq!(smtp.settle(&Verdict::REJECT), DONE);
    assert_eq!(count(root.path(), "a", "tmp"), 0);

    let mut nobody = by_lmtp(&maildir, &["b@example.com"]);
    assert_eq!(nobody.ask(Phase::Save), DONE);
    assert_eq!(nobody.recipient(0).unwrap().code(), Some(550));

    let mut lmtp = by_lmtp(&maildir, &["b@example.com", "a@example.com", "x/y@example.com"]);
    assert_eq!(lmtp.ask(Phase::Save), DONE);
    assert_eq!(lmtp.settle(&DONE), DONE);
    let codes = [0, 1, 2].map(|index| lmtp.recipient(index).and_then(|answer| answer.code()));
    assert_eq!(codes, [Some(550), None, Some(553)]);
    assert_eq!(lmtp.recipient(1), None::<Answer>);
    assert_eq!(count(root.path(), "a", "new"), 1);
}

#[test]
fn recipients_that_other_stages_refuse_get_no_copy() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1,b=-1:-1,c=-1:-1");
    let mut mail = by_lmtp(&maildir, &["a@example.com", "b@example.com", "c@example.com"]);
    mail.set_recipient(0, Verdict::REJECT);
    assert_eq!(mail.ask(Phase::Save), DONE);
    mail.set_recipient(2, Verdict::REJECT);
    assert_eq!(mail.settle(&DONE), DONE);
    let delivered = ["a", "b", "c"].map(|user| count(root.path(), user, "new"));
    assert_eq!(delivered, [0, 1, 0]);
    assert_eq!(count(root.path(), "c", "tmp"), 0);
}

#[test]
fn trouble_with_storage_is_temporary_and_named_in_the_log() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1");
    fs::remove_dir(root.path().join("a/tmp")).unwrap();
    fs::write(root.path().join("a/tmp"), "").unwrap();
    let answer = maildir.begin(mail(&["a@example.com"])).ask(Phase::Save);
    assert_eq!((answer.is_deferred(), answer.code()), (true, Some(451)));
    assert!(maildir.has_logged("a/tmp"), "{:?}", maildir.log());
}

#[test]
fn over_lmtp_a_broken_maildir_is_its_own_recipients_trouble() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1,b=-1:-1,c=-1:-1");
    fs::remove_dir(root.path().join("a/tmp")).unwrap();
    fs::write(root.path().join("a/tmp"), "").unwrap();
    let to = ["a@example.com", "b@example.com", "c@example.com"];
    let mut mail = by_lmtp(&maildir, &to);
    assert_eq!(mail.ask(Phase::Save), DONE);
    // This one breaks between writing and moving.
    fs::remove_dir(root.path().join("c/new")).unwrap();
    assert_eq!(mail.settle(&DONE), DONE);
    let codes = [0, 1, 2].map(|index| mail.recipient(index).and_then(|answer| answer.code()));
    assert_eq!(codes, [Some(451), None, Some(451)]);
    assert_eq!((count(root.path(), "b", "new"), count(root.path(), "c", "tmp")), (1, 0));
    assert_eq!(maildir.counter("delivered"), 1);

    // Where nobody gets it, each hears so all the same.
    let mut mail = by_lmtp(&maildir, &["a@example.com"]);
    assert_eq!(mail.ask(Phase::Save), DONE);
    assert_eq!(mail.recipient(0).unwrap().code(), Some(451));
    fs::create_dir(root.path().join("c/new")).unwrap();
    let mut mail = by_lmtp(&maildir, &["c@example.com"]);
    assert_eq!(mail.ask(Phase::Save), DONE);
    fs::remove_dir(root.path().join("c/new")).unwrap();
    assert_eq!(mail.settle(&DONE), DONE);
    assert_eq!(mail.recipient(0).unwrap().code(), Some(451));
}

#[test]
fn what_is_wrong_with_one_recipient_is_not_told_to_others() {
    let root = tempfile::tempdir().unwrap();
    let keys = serde_json::json!({ "maildir_over_quota": "reject" });
    let maildir = maildir_with(root.path(), "full=-1:-1:1,broken=-1:-1,a=-1:-1", keys);
    fs::remove_dir(root.path().join("broken/tmp")).unwrap();
    fs::write(root.path().join("broken/tmp"), "").unwrap();
    for (to, codes) in [
        (["broken@example.com", "full@example.com"], [451, 552]),
        (["full@example.com", "broken@example.com"], [552, 451]),
        (["nobody@example.com", "broken@example.com"], [550, 451]),
    ] {
        let mut mail = by_lmtp(&maildir, &to);
        assert_eq!(mail.ask(Phase::Save), DONE);
        let heard = [0, 1].map(|index| mail.recipient(index).unwrap().code().unwrap());
        assert_eq!(heard, codes, "{to:?}");
        assert_eq!(mail.settle(&Verdict::DEFER), DONE);
    }

    // Another stage has its reasons to have one of them try again.
    for other in ["full@example.com", "nobody@example.com"] {
        let mut mail = by_lmtp(&maildir, &["a@example.com", other]);
        mail.set_recipient(0, Verdict::DEFER);
        assert_eq!(mail.ask(Phase::Save), DONE);
        assert!(mail.recipient(0).unwrap().is_deferred());
        assert!(mail.recipient(1).unwrap().is_rejected());
        // By a host that stores it for nobody, and by one that ends the chain.
        assert_eq!(mail.settle(&DONE), DONE);
        assert_eq!(mail.settle(&Verdict::DEFER), DONE);
        assert_eq!(count(root.path(), "a", "tmp") + count(root.path(), "a", "new"), 0);
    }
    assert!(!maildir.has_logged("nothing was prepared"), "{:?}", maildir.log());
}

#[test]
fn a_full_mailbox_is_told_to_each_where_each_is_answered() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir_with(root.path(), "a=-1:-1:1C,b=-1:-1", serde_json::json!({}));
    assert!(maildir.deliver(mail(&["a@example.com"])).is_accepted());

    let mut lmtp = by_lmtp(&maildir, &["a@example.com", "b@example.com"]);
    assert_eq!(lmtp.ask(Phase::Save), DONE);
    assert_eq!(lmtp.settle(&DONE), DONE);
    let full = lmtp.recipient(0).unwrap();
    assert_eq!((full.code(), full.is_deferred(), lmtp.recipient(1)), (Some(452), true, None));
    assert_eq!((count(root.path(), "a", "new"), count(root.path(), "b", "new")), (1, 1));

    // One reply for both: nobody gets it. At the next try RCPT tells them apart.
    let both = || mail(&["a@example.com", "b@example.com"]);
    assert_eq!(maildir.begin(both()).ask(Phase::Save).code(), Some(452));
    let again = maildir.deliver(both());
    assert!(again.is_accepted());
    assert_eq!(
        (again.refused[0].0.as_str(), again.refused[0].1.code()),
        ("a@example.com", Some(452))
    );
    assert_eq!((count(root.path(), "a", "new"), count(root.path(), "b", "new")), (1, 2));
    assert!(maildir.has_logged("over its quota"));
}

#[test]
fn a_full_mailbox_may_be_refused_for_good() {
    let root = tempfile::tempdir().unwrap();
    let keys = serde_json::json!({ "maildir_quota": "1C", "maildir_over_quota": "reject" });
    let maildir = maildir_with(root.path(), "a=-1:-1,b=-1:-1", keys);
    assert!(maildir.deliver(mail(&["a@example.com"])).is_accepted());
    let answer = maildir.begin(mail(&["a@example.com"])).ask(Phase::Save);
    assert_eq!((answer.code(), answer.is_rejected()), (Some(552), true));
    assert_eq!(maildir.begin(mail(&["a@example.com"])).ask(Phase::Rcpt).code(), Some(552));
    // It is not the fault of the others.
    fs::remove_file(root.path().join("a/maildirsize")).unwrap();
    let both = maildir.begin(mail(&["a@example.com", "b@example.com"])).ask(Phase::Save);
    assert_eq!(both.code(), Some(452));
}

#[test]
fn a_mail_announced_as_larger_than_what_is_left_is_refused_before_it_is_sent() {
    let root = tempfile::tempdir().unwrap();
    let keys = serde_json::json!({ "maildir_quota": "1K" });
    let maildir = maildir_with(root.path(), "a=-1:-1", keys);
    let large = || mail(&["a@example.com"]).body("x".repeat(2000));
    assert_eq!(maildir.begin(large()).ask(Phase::Save).code(), Some(452));
    for (size, code) in [("SIZE=2000", Some(452)), ("SIZE=900", None), ("", None)] {
        let answer = maildir.begin(large().from_parameters(size)).ask(Phase::Rcpt);
        assert_eq!(answer.code(), code, "{size}");
    }
}

#[test]
fn naming_it_twice_in_a_chain_delivers_no_duplicates() {
    let root = tempfile::tempdir().unwrap();
    let maildir = maildir(root.path(), "a=-1:-1");
    let mut mail = maildir.begin(mail(&["a@example.com"]));
    assert_eq!(mail.ask(Phase::Save), DONE);
    assert_eq!(mail.ask(Phase::Save), Verdict::DEFER);
    assert_eq!(mail.settle(&Verdict::DEFER), DONE);
    assert_eq!((count(root.path(), "a", "tmp"), count(root.path(), "a", "new")), (0, 0));
}

#[test]
fn a_configuration_that_cannot_be_used_is_explained_in_one_line() {
    for (config, says) in [
        (r#"{"maildir_path":"/m/[user]","maildir_user_map":"a=1"}"#, "\"a=1\""),
        (r#"{"maildir_path":"/m/[user]","maildir_user_map":""}"#, "names nobody"),
        (r#"{"maildir_path":"","maildir_user_map":"a=1:1"}"#, "maildir_path is empty"),
        (r#"{"maildir_user_map":"a=1:1"}"#, "maildir_path"),
        (r#"{"maildir_path":"/m","maildir_user_map":"a=1:1:x"}"#, "\"a=1:1:x\""),
        (
            r#"{"maildir_path":"/m","maildir_user_map":"a=1:1","maildir_quota":"5X"}"#,
            "maildir_quota: \"5X\"",
        ),
        (r#"{"maildir_path":"/m","maildir_user_map":"a=1:1,b=1:1:5M"}"#, "one quota"),
    ] {
        let refused = Harness::<Batched<MailDir>>::new(config).err().unwrap();
        assert!(refused.contains(says) && !refused.contains('\n'), "{refused}");
    }
}
