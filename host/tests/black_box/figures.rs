//! What the daemon knows of its processors' doings: one line for each at the end, and whether one is slow where it must not be.

use crate::support::{Control, Daemon, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Ends the daemon; the lines about its stages.
#[track_caller]
fn lines(daemon: Daemon) -> Vec<String> {
    let log = daemon.log().clone();
    daemon.stop();
    log.with(": calls=")
}

#[track_caller]
fn line<'a>(lines: &'a [String], stage: &str) -> &'a str {
    let found = lines.iter().find(|line| line.contains(&format!(" {stage} (processor ")));
    found.unwrap_or_else(|| panic!("{stage} in {lines:?}"))
}

#[track_caller]
fn assert_says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "\"{part}\" is not in: {line}");
    }
}

#[test]
fn calls_answers_and_faults_are_counted() {
    let daemon = Setup::chain("Header|Panics|Recorder|MailDir").start();
    let mut client = daemon.client();
    for sender in ["fine@example.com", "fine@example.com", "wrong@example.com"] {
        client.mail(sender, &["test@example.test"], MESSAGE);
    }
    client.expect("QUIT", "221 ");
    client.expect_end();
    daemon.log().wait_for("recorded closed ");
    let lines = lines(daemon);
    assert_says(line(&lines, "Header"), &["processor Header, built-in)", "save.continue=3 "]);
    let panics = line(&lines, "Panics");
    assert_says(panics, &["plugin misbehaving-plugin ", "API 1.0", "rustc 1.", "generation 1)"]);
    assert_says(panics, &[": calls=3 save.continue=2 save.fault=1 timed=3 mean=", " panics=1 "]);
    // The third mail never got there; each connection has a beginning and an end.
    let recorder = line(&lines, "Recorder");
    let counts = "save.continue=2 settled.continue=2 opened.continue=1 closed.continue=1";
    assert_says(recorder, &[counts, "in_flight=0 lost_workers=0"]);
}

#[test]
fn threads_that_do_not_come_back_are_counted() {
    let control = Control::new();
    let daemon =
        Setup::chain("Header|Hangs").control(&control).backend("gw_save_timeout", "1s").start();
    let mut client = daemon.client();
    client.envelope("wrong@example.com", &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send(format!("{MESSAGE}.\r\n"));
    let _waiting = control.waiting_in("save");
    client.expect_reply("451 4.3.0 ");
    client.expect("QUIT", "221 ");
    let lines = lines(daemon);
    assert_says(line(&lines, "Hangs"), &["calls=0 ", "timeouts=1 in_flight=1 lost_workers=1"]);
}

/// Who says that it never blocks, and does, holds up every connection of its thread.
#[test]
fn a_slow_one_is_moved_to_a_pool() {
    let daemon = Setup::chain("Header|MailDir").backend("validate_process", "Dawdles").start();
    let mut client = daemon.client();
    client.expect("MAIL FROM:<wrong@example.com>", "250 ");
    for number in 0..8 {
        client.expect(&format!("RCPT TO:<user{number}@example.test>"), "250 ");
    }
    daemon.log().wait_for("Dawdles: says that it never blocks, but has kept connections waiting");
    let threads = daemon.log().with("Dawdles: asked on ");
    let (own, pool): (Vec<_>, Vec<_>) = threads.iter().partition(|line| line.contains(" net-"));
    assert_eq!((own.len(), pool.len()), (5, 3), "{threads:?}");
    assert!(pool.iter().all(|line| line.ends_with("asked on Dawdles")), "{pool:?}");
    client.expect("QUIT", "221 ");
    let log = daemon.log().clone();
    let lines = lines(daemon);
    assert_eq!(log.with("says that it never blocks").len(), 1, "said once");
    assert_says(line(&lines, "Dawdles"), &["rcpt.continue=8 ", " moved_to_pool"]);
}

#[test]
fn a_quick_one_stays_where_it_is() {
    let daemon = Setup::chain("Header|MailDir").backend("validate_process", "Dawdles").start();
    let mut client = daemon.client();
    client.expect("MAIL FROM:<fine@example.com>", "250 ");
    for number in 0..50 {
        client.expect(&format!("RCPT TO:<user{number}@example.test>"), "250 ");
    }
    daemon.log().wait_for_so_many(50, "asked on net-");
    client.expect("QUIT", "221 ");
    daemon.stop();
}
