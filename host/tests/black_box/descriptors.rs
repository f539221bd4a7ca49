//! Out of file descriptors: no spinning, no mail lost, and served again when there are some.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Client, Daemon, PATIENCE, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Leaves the daemon so many descriptors beyond those it has. Its hard limit stays.
#[track_caller]
pub(crate) fn leave_descriptors(daemon: &Daemon, more: usize) {
    let limit = daemon.usage().descriptor_limit(more);
    let (pid, nofile) = (daemon.pid().to_string(), format!("--nofile={limit}:"));
    let mut command = Command::new("prlimit");
    let done = command.args(["--pid", &pid, &nofile]).status().expect("of util-linux");
    assert!(done.success(), "{command:?}");
}

#[test]
fn clients_wait_without_costing_anything_until_a_descriptor_is_free() {
    let daemon = Setup::without_plugins().server("max_clients", 100).start();
    leave_descriptors(&daemon, 5);
    let (begin, busy) = (Instant::now(), daemon.usage().processor_time());
    let mut clients: Vec<_> = (0..30).map(|_| Client::connect(daemon.address())).collect();
    // The pauses double: seven of one thread are more than a second.
    let refused = daemon.log().wait_for_so_many(14, "cannot accept: Too many open files");
    let (taken, busy) = (begin.elapsed(), daemon.usage().processor_time() - busy);
    assert!(refused[0].contains("trying again in 10ms"), "{}", refused[0]);
    assert!(taken > Duration::from_millis(500), "{} lines after {taken:?}", refused.len());
    assert!(busy < Duration::from_millis(300), "{busy:?} of processor time in {taken:?}");
    println!(
        "out of descriptors for {taken:?}: {busy:?} of processor time, {} lines",
        refused.len()
    );

    let greeted = clients
        .iter_mut()
        .filter_map(|client| client.hears_within(Duration::from_millis(1)).then_some(()));
    let greeted = greeted.count();
    assert!((1..=5).contains(&greeted), "{greeted} greeted with five descriptors");
    // Whoever goes makes room for who waits, until all have been served, in any order.
    let deadline = Instant::now() + PATIENCE;
    while !clients.is_empty() {
        assert!(Instant::now() < deadline, "{} clients are never served", clients.len());
        clients.retain_mut(|client| {
            let waits = !client.hears_within(Duration::from_millis(1));
            if !waits {
                client.expect_reply("220 ");
                client.expect("QUIT", "221 ");
                client.expect_end();
            }
            waits
        });
    }
    expect_served(daemon.address());
    daemon.stop();
}

#[test]
fn a_body_that_needs_a_file_is_deferred_and_a_small_one_is_taken() {
    let daemon = Setup::without_plugins().top("spool_threshold", 10_000).start();
    let mut client = daemon.client();
    leave_descriptors(&daemon, 0);
    let large = format!("{}\r\n", "x".repeat(70)).repeat(1000);
    let to = ["test@example.test"];
    for _ in 0..2 {
        let reply = client.mail("a@example.com", &to, &large);
        assert!(reply.starts_with("452 4.3.1 "), "{reply}");
        let reply = client.mail("a@example.com", &to, MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    leave_descriptors(&daemon, 10);
    let reply = client.mail("a@example.com", &to, &large);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

#[track_caller]
fn expect_served(address: SocketAddr) {
    let mut client = Client::introduced(address);
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
}
