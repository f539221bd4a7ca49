//! A spool directory on a small file system: too much for it is deferred, and nothing else is the worse for it.
//!
//! The file system is mounted where only the daemon sees it, in a name space of its own, and goes with it.

use std::time::Instant;

use nix::unistd::geteuid;

use crate::support::{Client, Daemon, PATIENCE, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";
const TO: [&str; 1] = ["test@example.test"];

/// A daemon whose spool directory has room for so much; bodies go there from 64 KiB.
#[track_caller]
fn daemon_with_a_small_spool(size: &str) -> Daemon {
    let setup = Setup::new().top("spool_threshold", 64 << 10).server("max_size", 64 << 20);
    let spool = setup.dir().join("spool");
    std::fs::create_dir(&spool).expect("our own directory");
    let spool = spool.to_str().expect("UTF-8").to_owned();
    let mount = format!("mount -t tmpfs -o size={size},mode=700 tmpfs \"$0\" && exec \"$@\"");
    let mut words = vec!["unshare", "--mount"];
    if !geteuid().is_root() {
        words.push("--map-root-user");
    }
    words.extend(["sh", "-c", &mount, &spool]);
    setup.started_by(&words).top("spool_dir", spool.as_str()).start()
}

/// So many bytes of mail.
fn message(bytes: usize) -> String {
    format!("{}\r\n", "x".repeat(70)).repeat(bytes / 72)
}

#[test]
fn too_much_for_the_disk_is_deferred_and_small_mail_is_taken() {
    let daemon = daemon_with_a_small_spool("1m");
    let (large, fitting) = (message(2 << 20), message(512 << 10));
    let mut client = daemon.client();
    for round in 0..3 {
        let reply = client.mail("a@example.com", &TO, &large);
        assert!(reply.starts_with("452 4.3.1 "), "round {round}: {reply}");
        let reply = client.mail("a@example.com", &TO, MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "round {round}: {reply}");
        // What could not be kept has given its room back.
        let reply = client.mail("a@example.com", &TO, &fitting);
        assert!(reply.starts_with("250 2.0.0 "), "round {round}: {reply}");
    }
    daemon.log().wait_for("No space left on device");
    assert_eq!(daemon.mails("test").len(), 6);
    daemon.stop();
}

#[test]
fn several_at_once_share_what_room_there_is() {
    let daemon = daemon_with_a_small_spool("1m");
    let body = message(400 << 10);
    let mut clients: Vec<Client> = (0..8).map(|_| daemon.client()).collect();
    for client in &mut clients {
        client.envelope("a@example.com", &TO);
        client.expect("DATA", "354 ");
        client.send(&body);
    }
    // All bodies are on their way before the first one ends.
    let replies: Vec<String> = clients.iter_mut().map(|client| client.ask(".")).collect();
    let taken = replies.iter().filter(|reply| reply.starts_with("250 2.0.0 ")).count();
    let deferred = replies.iter().filter(|reply| reply.starts_with("452 4.3.1 ")).count();
    assert_eq!(taken + deferred, 8, "{replies:?}");
    assert!(taken >= 1 && deferred >= 1, "{replies:?}");
    assert_eq!(daemon.mails("test").len(), taken, "what is acknowledged is kept");
    for mail in daemon.mails("test") {
        assert!(mail.len() >= body.len() - body.matches("\r\n").count(), "{} bytes", mail.len());
    }
    // Whoever was deferred tries again on the same connection.
    for client in clients.iter_mut() {
        let reply = client.mail("a@example.com", &TO, &body);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    daemon.stop();
}

/// The spool may be on the file system of the maildirs and logs: bodies do not fill it to the last block.
#[test]
fn the_last_part_of_the_disk_is_not_the_spools() {
    let daemon = daemon_with_a_small_spool("20m");
    let mut large = daemon.client();
    large.envelope("a@example.com", &TO);
    large.expect("DATA", "354 ");
    // A twentieth is 1024 KiB; 800 KiB stay free, where the other body would fit.
    large.send(message((20 << 20) - (800 << 10)));
    let (mut client, body) = (daemon.client(), message(400 << 10));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = client.mail("a@example.com", &TO, &body);
        if reply.starts_with("452 4.3.1 ") {
            break;
        }
        // The large one is not all there yet.
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        assert!(Instant::now() < deadline, "taken with less than a twentieth free");
    }
    daemon.log().wait_for("less than 1024 KiB are free");
    let reply = large.ask(".");
    assert!(reply.starts_with("250 2.0.0 "), "what has begun is finished: {reply}");
    // A large file is removed behind the reply.
    loop {
        let reply = client.mail("a@example.com", &TO, &body);
        if reply.starts_with("250 2.0.0 ") {
            break;
        }
        assert!(reply.starts_with("452 4.3.1 "), "{reply}");
        assert!(Instant::now() < deadline, "the room has not come back");
    }
    daemon.stop();
}
