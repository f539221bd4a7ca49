//! Plugin files replaced while the daemon runs: a good one is a new generation, a bad one changes nothing, and what
//! happens to a file that is in use does not matter.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;

use crate::support::{Client, Daemon, EndOfLoad, Plugin, Setup, guerrillad};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// The hello plugin, whose header field is `X-` and this word of five letters.
fn saying(word: &str) -> Vec<u8> {
    let (from, to) = (b"X-Hello", format!("X-{word}").into_bytes());
    assert_eq!(from.len(), to.len());
    let mut file = fs::read(Plugin::Hello.file()).expect("built");
    let places: Vec<usize> =
        file.windows(from.len()).enumerate().filter(|(_, w)| w == from).map(|(at, _)| at).collect();
    for at in places {
        file[at..at + to.len()].copy_from_slice(&to);
    }
    file
}

/// Puts a file there as an installer should: written beside, then renamed.
fn install(content: &[u8], place: &Path) {
    let draft = place.with_extension("draft");
    fs::write(&draft, content).expect("our own directory");
    fs::rename(&draft, place).expect("our own directory");
}

fn daemon() -> (Daemon, PathBuf) {
    let setup = Setup::chain("Header|Hello|MailDir");
    let place = Plugin::Hello.install(&setup.plugins_dir());
    (setup.start(), place)
}

/// The header field that a mail sent now gets, and the reply.
#[track_caller]
fn said(daemon: &Daemon, client: &mut Client) -> String {
    let before = daemon.mails("test").len();
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let mails = daemon.mails("test");
    assert_eq!(mails.len(), before + 1);
    let said = mails.iter().flat_map(|mail| mail.lines()).filter(|line| line.starts_with("X-"));
    // The files are not in order of time; the one that is counted once more is the new one.
    said.map(|line| line.split(':').next().expect("a name").to_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_new_file_is_a_new_generation() {
    let (daemon, place) = daemon();
    let mut client = daemon.client();
    assert_eq!(said(&daemon, &mut client), "X-Hello");
    install(&saying("Salut"), &place);
    assert_eq!(daemon.reload().expect("reloaded"), ["config_change:plugins"]);
    daemon.log().wait_for("generation 2) offers Hello");
    daemon.log().wait_for("Hello: its last message is done; stopped");
    let both = said(&daemon, &mut client);
    assert!(both.contains("X-Salut") && both.len() == 15, "{both}");
    // Back to the first: its code is mapped still.
    install(&saying("Hello"), &place);
    assert_eq!(daemon.reload().expect("reloaded"), ["config_change:plugins"]);
    assert_eq!(said(&daemon, &mut client).matches("X-Hello").count(), 2);
    daemon.stop();
}

#[test]
fn a_bad_file_changes_nothing() {
    let (daemon, place) = daemon();
    let whole = saying("Salut");
    let mut foreign = whole.clone();
    foreign[18] = 0xb7; // e_machine
    for (bad, why) in [
        (&whole[..whole.len() / 2], "is truncated"),
        (&b"no ELF at all"[..], "hello_plugin.so"),
        (&foreign[..], "machine"),
    ] {
        install(bad, &place);
        let refused = daemon.reload().expect_err("to be refused");
        assert!(refused.iter().any(|line| line.contains(why)), "{why} in {refused:?}");
        let mut client = daemon.client();
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    fs::remove_file(&place).expect("there");
    let refused = daemon.reload().expect_err("the chain names it");
    assert!(refused.iter().any(|line| line.contains("no processor \"Hello\"")), "{refused:?}");
    daemon.stop();
}

/// Overwritten in place, truncated, deleted, made unreadable: what is mapped is a private copy.
#[test]
fn what_happens_to_a_file_in_use_does_not_matter() {
    let (daemon, place) = daemon();
    let mut client = daemon.client();
    let damages: [&dyn Fn(); 4] = [
        &|| fs::write(&place, b"overwritten in place").expect("ours"),
        &|| drop(fs::File::create(&place).expect("truncated")),
        &|| fs::remove_file(&place).expect("there"),
        &|| fs::create_dir(&place).expect("a directory of that name"),
    ];
    for damage in damages {
        damage();
        said(&daemon, &mut client);
    }
    daemon.stop();
}

#[test]
fn the_watcher_takes_a_new_file_by_itself() {
    let setup = Setup::chain("Header|Hello|MailDir").top("plugins_watch", "100ms");
    let place = Plugin::Hello.install(&setup.plugins_dir());
    let daemon = setup.start();
    install(&saying("Salut"), &place);
    daemon.log().wait_for("the plugins directory has changed");
    daemon.log().wait_for("reloaded, changes: 1");
    assert_eq!(said(&daemon, &mut daemon.client()), "X-Salut");
    daemon.stop();
}

/// The old settings with another file: in-flight messages, idle and busy connections, and not one mail lost.
#[test]
fn a_hundred_new_files_under_load() {
    let (daemon, place) = daemon();
    let (address, done) = (daemon.address(), AtomicBool::new(false));
    let memory = |daemon: &Daemon| daemon.usage().anonymous();
    let mut after_two = 0;
    let sent: usize = std::thread::scope(|scope| {
        let send = || {
            let (mut client, mut sent) = (Client::introduced(address), 0);
            while !done.load(Ordering::Relaxed) {
                let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
                assert!(reply.starts_with("250 2.0.0 "), "{reply}");
                sent += 1;
            }
            sent
        };
        let senders = [scope.spawn(send), scope.spawn(send)];
        let ending = EndOfLoad(&done);
        let files = [saying("Salut"), saying("Hello")];
        for number in 0..100 {
            install(&files[number % 2], &place);
            assert_eq!(daemon.reload().expect("reloaded"), ["config_change:plugins"]);
            if number == 1 {
                after_two = memory(&daemon);
            }
        }
        drop(ending);
        senders.into_iter().map(|sender| sender.join().expect("no panic")).sum()
    });
    assert_eq!(daemon.mails("test").len(), sent);
    let grown = memory(&daemon).saturating_sub(after_two);
    assert!(grown < 24 << 10, "{grown} KiB more after a hundred reloads than after two");
    daemon.stop();
}

#[test]
fn plugins_reload_tells_the_daemon() {
    let setup = Setup::chain("Header|Hello|MailDir").top("pid_file", "daemon.pid");
    let place = Plugin::Hello.install(&setup.plugins_dir());
    let mut daemon = setup.start();
    let command = |more: &[&str]| {
        let usual = ["plugins", "reload", "-c", "guerrillad.json", "--plugins-dir", "plugins"];
        let mut command = guerrillad(daemon.dir(), usual.iter().chain(more));
        (command.exit_code(), command.stdout.text(), command.stderr.text())
    };
    install(&saying("Salut"), &place);
    let (code, told, _) = command(&["Hello"]);
    assert_eq!(code, Some(0));
    assert!(told.contains(&format!("process {} ", daemon.pid())), "{told}");
    daemon.log().wait_for("reloaded, changes: 1");
    let (code, _, complaint) = command(&["Hullo"]);
    assert!(code == Some(1) && complaint.contains("offers \"Hullo\""), "{complaint}");
    // A bad file is told of before anybody is disturbed.
    install(b"no ELF at all", &place);
    let (code, _, complaint) = command(&[]);
    assert!(code == Some(1) && complaint.contains("hello_plugin.so"), "{complaint}");
    assert_eq!(daemon.log().with("reloaded, ").len(), 1);
    fs::remove_file(&place).expect("there");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.exit_code(), Some(0));
    let usual = ["plugins", "reload", "-c", "guerrillad.json", "--plugins-dir", "plugins"];
    let mut command = guerrillad(daemon.dir(), usual);
    assert_eq!(command.exit_code(), Some(1));
    assert!(command.stderr.text().contains("no daemon is running"), "{}", command.stderr.text());
}
