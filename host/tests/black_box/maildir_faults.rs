//! The MailDir plugin when its disk is full, read-only or gone, and when the daemon is killed in the midst of it all: what was
//! acknowledged is in `new`, whole, and what was not is nowhere or once.
//!
//! File systems are mounted where only the daemon sees them; the test looks through `/proc/PID/root`.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::support::{Client, Daemon, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";
const TO: [&str; 1] = ["test@example.test"];

/// A daemon whose maildirs have a file system of 1 MiB.
#[track_caller]
fn daemon_on_a_small_disk() -> Daemon {
    let setup = Setup::new();
    let mail = setup.dir().join("mail");
    fs::create_dir(&mail).expect("our own directory");
    let mail = mail.to_str().expect("UTF-8").to_owned();
    let mount = "mount -t tmpfs -o size=1m,mode=700 tmpfs \"$0\" && exec \"$@\"";
    let mut words = vec!["unshare", "--mount"];
    if !geteuid().is_root() {
        words.push("--map-root-user");
    }
    words.extend(["sh", "-c", mount, &mail]);
    setup.started_by(&words).start()
}

/// Runs a command where the daemon sees its file systems.
#[track_caller]
fn in_its_name_space(daemon: &Daemon, words: &[&str]) {
    let mut command = Command::new("nsenter");
    command.args(["--mount", "--target", &daemon.pid().to_string()]);
    if !geteuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    let status = command.args(words).status().expect("nsenter runs (Debian package util-linux)");
    assert!(status.success(), "{words:?}");
}

/// A user's files, as the daemon sees them.
fn seen(daemon: &Daemon, user: &str, folder: &str) -> Vec<PathBuf> {
    let maildir = daemon.maildir(user);
    let inside = maildir.strip_prefix("/").expect("an absolute path");
    files(&Path::new("/proc").join(daemon.pid().to_string()).join("root").join(inside).join(folder))
}

/// The files of a directory; none when it is not there.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.expect("readable").path()).collect()
}

/// A message that tells whether it is whole: its id at both ends.
fn message(id: &str, bytes: usize) -> String {
    let lines = format!("{}\r\n", "x".repeat(70)).repeat(bytes / 72);
    format!("Subject: begin {id}\r\n\r\n{lines}end {id}\r\n")
}

/// The ids of mails, each whole.
#[track_caller]
fn ids(files: &[PathBuf]) -> Vec<String> {
    let read = |file: &PathBuf| {
        let mail = fs::read_to_string(file).expect("a mail");
        let (_, id) =
            mail.split_once("Subject: begin ").unwrap_or_else(|| panic!("no subject in {file:?}"));
        let id = id.lines().next().unwrap_or_default().to_owned();
        assert!(mail.ends_with(&format!("\nend {id}\n")), "{id} is cut off in {file:?}");
        id
    };
    files.iter().map(read).collect()
}

#[test]
fn a_full_disk_defers_and_takes_mail_again_when_there_is_room() {
    let daemon = daemon_on_a_small_disk();
    let mut client = daemon.client();
    let (mut kept, mut refused) = (HashSet::new(), 0);
    for number in 0..40 {
        let id = format!("m{number}");
        let reply = client.mail("a@example.com", &TO, &message(&id, 60 << 10));
        match &reply[..4] {
            "250 " => assert!(kept.insert(id)),
            _ => {
                assert!(reply.starts_with("452 4.3.1 "), "{reply}");
                refused += 1;
            }
        }
    }
    assert!(kept.len() >= 10 && refused >= 10, "{} kept, {refused} refused", kept.len());
    daemon.log().wait_for("No space left on device");
    let stored = seen(&daemon, "test", "new");
    assert_eq!(ids(&stored).into_iter().collect::<HashSet<_>>(), kept);
    assert_eq!((stored.len(), seen(&daemon, "test", "tmp").len()), (kept.len(), 0));

    fs::remove_file(&stored[0]).expect("a reader may");
    let reply = client.mail("a@example.com", &TO, &message("after", 50 << 10));
    assert!(reply.starts_with("250 "), "{reply}");
    daemon.stop();
}

#[test]
fn a_disk_that_fills_up_under_load_keeps_what_was_acknowledged() {
    let daemon = daemon_on_a_small_disk();
    let mut clients: Vec<Client> = (0..8).map(|_| daemon.client()).collect();
    let mut kept = HashSet::new();
    for round in 0..8 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.envelope("a@example.com", &TO);
            client.expect("DATA", "354 ");
            client.send(message(&format!("m{round}-{number}"), 30 << 10));
        }
        // All end at the same time and share what room there is.
        clients.iter_mut().for_each(|client| client.send(".\r\n"));
        for (number, client) in clients.iter_mut().enumerate() {
            let reply = client.reply();
            match &reply[..4] {
                "250 " => assert!(kept.insert(format!("m{round}-{number}"))),
                _ => assert!(reply.starts_with("452 4.3.1 "), "{reply}"),
            }
        }
    }
    let stored = ids(&seen(&daemon, "test", "new"));
    assert!(kept.len() >= 20 && kept.len() < 64, "{} kept", kept.len());
    assert_eq!((stored.len(), stored.into_iter().collect::<HashSet<_>>()), (kept.len(), kept));
    assert_eq!(seen(&daemon, "test", "tmp").len(), 0);
    daemon.stop();
}

#[test]
fn a_read_only_disk_defers_until_it_can_be_written_again() {
    let daemon = daemon_on_a_small_disk();
    let mail = daemon.dir().join("mail").display().to_string();
    let mut client = daemon.client();
    for round in 0..2 {
        let reply = client.mail("a@example.com", &TO, MESSAGE);
        assert!(reply.starts_with("250 "), "{reply}");
        in_its_name_space(&daemon, &["mount", "-o", "remount,ro", &mail]);
        // A maildir that is there, and one that would have to be made.
        for to in ["test@example.test", "other@example.test"] {
            let reply = client.mail("a@example.com", &[to], MESSAGE);
            assert!(reply.starts_with("451 4.3.0 "), "{to}: {reply}");
        }
        daemon.log().wait_for("Read-only file system");
        in_its_name_space(&daemon, &["mount", "-o", "remount,rw", &mail]);
        let kept = (seen(&daemon, "test", "new").len(), seen(&daemon, "test", "tmp").len());
        assert_eq!(kept, (1 + round * 2, 0));
        let reply = client.mail("a@example.com", &TO, MESSAGE);
        assert!(reply.starts_with("250 "), "{reply}");
    }
    daemon.stop();
}

#[test]
fn directories_that_are_gone_are_made_again() {
    let daemon = Setup::new().start();
    let mut client = daemon.client();
    for gone in ["", "test", "test/new", "test/tmp", "test/cur"] {
        let reply = client.mail("a@example.com", &TO, MESSAGE);
        assert!(reply.starts_with("250 "), "{reply}");
        fs::remove_dir_all(daemon.dir().join("mail").join(gone)).expect("it was there");
    }
    let reply = client.mail("a@example.com", &TO, MESSAGE);
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(daemon.unfinished("test").is_empty());
    daemon.stop();
}

#[test]
fn over_lmtp_one_recipients_broken_maildir_is_not_the_others_trouble() {
    let daemon = Setup::chain("Header|MailDir").server("protocol", "lmtp").start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("LHLO client.example", "250");
    let to = ["a@example.test", "b@example.test", "c@example.test"];
    for part in ["tmp", "new"] {
        let broken = daemon.maildir("b").join(part);
        fs::create_dir_all(broken.parent().expect("a maildir")).expect("our own directory");
        fs::write(&broken, "").expect("our own directory");
        client.mail("a@example.com", &to, MESSAGE);
        client.expect_reply("451 4.3.0 ");
        client.expect_reply("250 2.0.0 OK: queued as ");
        fs::remove_file(&broken).expect("our own file");
    }
    let first = client.mail("a@example.com", &to[1..], MESSAGE);
    assert!(first.starts_with("250 "), "mended: {first}");
    client.expect_reply("250 ");
    let kept = ["a", "b", "c"].map(|user| daemon.mails(user).len());
    assert_eq!(kept, [2, 1, 3]);
    daemon.stop();
}

#[test]
fn a_full_mailbox_is_refused_for_itself() {
    let daemon = Setup::chain("Header|MailDir")
        .backend("validate_process", "MailDir")
        .backend("maildir_user_map", "small=-1:-1:2C, *=-1:-1")
        .start();
    let mut client = daemon.client();
    let to = ["test@example.test", "small@example.test"];
    for _ in 0..2 {
        assert!(client.mail("a@example.com", &to, MESSAGE).starts_with("250 "));
    }
    // Nobody has counted yet: it is found out when the message is there, and is known from then on.
    let reply = client.mail("a@example.com", &to, MESSAGE);
    assert_eq!(reply, "452 4.2.2 The mailbox is full, try again later");
    client.expect("MAIL FROM:<a@example.com>", "250 ");
    client.expect("RCPT TO:<small@example.test>", "452 4.2.2 ");
    client.expect("RCPT TO:<test@example.test>", "250 ");
    client.expect("DATA", "354 ");
    client.send(MESSAGE);
    client.expect(".", "250 ");
    assert_eq!((daemon.mails("small").len(), daemon.mails("test").len()), (2, 3));
    daemon.stop();
}

#[test]
fn users_of_a_file_come_and_go_without_a_restart() {
    let setup = Setup::chain("Header|MailDir").backend("validate_process", "MailDir");
    let users = setup.dir().join("users");
    fs::write(&users, "alice=-1:-1\n").expect("our own directory");
    let file = users.to_str().expect("UTF-8").to_owned();
    let daemon = setup.backend("maildir_user_map", "").backend("maildir_user_file", file).start();
    let mut client = daemon.client();
    client.expect("MAIL FROM:<a@example.com>", "250 ");
    client.expect("RCPT TO:<alice@example.test>", "250 ");
    client.expect("RCPT TO:<bob@example.test>", "550 5.1.1 ");
    fs::write(&users, "# new staff\nbob=-1:-1\n").expect("our own directory");
    let deadline = Instant::now() + Duration::from_secs(20);
    // Each question is a look at the file; a change counts once it has been at rest.
    while !client.ask("RCPT TO:<bob@example.test>").starts_with("250 ") {
        assert!(Instant::now() < deadline, "bob is not known");
        client.expect("RSET", "250 ");
        client.expect("MAIL FROM:<a@example.com>", "250 ");
        thread::yield_now();
    }
    client.expect("RCPT TO:<alice@example.test>", "550 5.1.1 ");
    client.expect("DATA", "354 ");
    client.send(MESSAGE);
    client.expect(".", "250 ");
    assert_eq!((daemon.mails("bob").len(), daemon.mails("alice").len()), (1, 0));
    daemon.stop();
}

#[test]
fn killed_under_load_it_has_kept_all_that_was_acknowledged() {
    let mail = tempfile::tempdir().expect("a temporary directory");
    let path = format!("{}/[user]", mail.path().display());
    let (mut acknowledged, mut sent_by) = (HashSet::new(), 0);
    for round in 0..3 {
        let mut daemon = Setup::new().backend("maildir_path", path.as_str()).start();
        let address = daemon.address();
        let (acks, heard) = channel();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let acks = acks.clone();
                thread::spawn(move || {
                    send_until_the_end(address, &format!("{round}-{number}"), &acks)
                })
            })
            .collect();
        drop(acks);
        // In the midst of it, after so many.
        acknowledged.extend(heard.iter().take(150));
        daemon.signal(Signal::SIGKILL);
        // Replies that were on their way count as well.
        acknowledged.extend(heard);
        clients.into_iter().for_each(|client| client.join().expect("a client"));
        assert_eq!(daemon.exit_code(), None, "killed");
        sent_by += CLIENTS;
    }
    let users: Vec<PathBuf> = files(mail.path());
    let stored: Vec<String> =
        users.iter().flat_map(|user| ids(&files(&user.join("new")))).collect();
    let distinct: HashSet<String> = stored.iter().cloned().collect();
    assert_eq!(distinct.len(), stored.len(), "nothing is there twice");
    let lost: Vec<&String> = acknowledged.difference(&distinct).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    // At most the ones under way were kept without their client having heard so.
    let unheard = distinct.difference(&acknowledged).count();
    assert!(unheard <= sent_by, "{unheard} mails of {sent_by} connections");
    assert!(acknowledged.len() >= 450, "{}", acknowledged.len());

    // What the kills have left in tmp is in nobody's way.
    let daemon = Setup::new().backend("maildir_path", path.as_str()).start();
    let reply = daemon.client().mail("a@example.com", &["user0@example.test"], MESSAGE);
    assert!(reply.starts_with("250 "), "{reply}");
    daemon.stop();
}

/// Sends mail after mail to a few users until the connection ends; tells of each that was acknowledged.
fn send_until_the_end(address: SocketAddr, name: &str, acks: &Sender<String>) {
    let Ok(mut wire) = TcpStream::connect(address) else { return };
    let mut replies = BufReader::new(wire.try_clone().expect("a descriptor")).lines();
    let mut ask = |command: &str| {
        wire.write_all(command.as_bytes()).ok()?;
        replies.find_map(|line| match line {
            Ok(line) if line.as_bytes().get(3) == Some(&b'-') => None,
            other => Some(other.ok()),
        })?
    };
    // The greeting, then the reply to HELO.
    if ask("").and_then(|_| ask("HELO client.example\r\n")).is_none() {
        return;
    }
    let mut send = |number: usize| {
        let id = format!("{name}-{number}");
        ask("MAIL FROM:<a@example.com>\r\n")?;
        ask(&format!("RCPT TO:<user{}@example.test>\r\n", number % 5))?;
        ask("DATA\r\n")?;
        let reply = ask(&format!("{}.\r\n", message(&id, 2000)))?;
        assert!(reply.starts_with("250 "), "{reply}");
        acks.send(id).ok()
    };
    (0..).try_for_each(&mut send);
}

/// Connections that send at the same time.
const CLIENTS: usize = 8;
