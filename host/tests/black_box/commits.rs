//! Stages that commit at the end of the chain with the transaction in hand: many at once, and with every way to fail.

use std::time::{Duration, Instant};

use crate::support::{Client, Control, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Sends everything of a mail but does not read the reply to it.
#[track_caller]
fn send_without_reading(client: &mut Client, from: &str) {
    client.envelope(from, &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send(format!("{MESSAGE}.\r\n"));
}

#[test]
fn those_who_wait_are_committed_together() {
    let control = Control::new();
    let daemon = Setup::chain("Header|MailDir|Commits").control(&control).start();
    let mut clients: Vec<_> = (0..4).map(|_| daemon.client()).collect();
    send_without_reading(&mut clients[0], "first@example.com");
    let first = control.waiting_in("settled");
    for client in &mut clients[1..] {
        send_without_reading(client, "other@example.com");
    }
    drop(first);
    clients[0].expect_reply("250 2.0.0 ");
    // However they are grouped: each batch is let go.
    for client in &mut clients[1..] {
        while !client.hears_within(Duration::from_millis(20)) {
            drop(control.next_within(Duration::from_millis(20)));
        }
        client.expect_reply("250 2.0.0 ");
    }
    daemon.log().wait_for_so_many(4, "Commits: committed one of ");
    // Written by a thread of the plugin's own: with the session all the same.
    let line = daemon.log().wait_for("Commits: committed one of 1: Ok(())");
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "Commits:").expect("the processor");
    let session = words[at - 1];
    assert!(daemon.log().with(session).len() > 1, "{session} is no session of: {line}");
    assert_eq!(daemon.mails("test").len(), 4);
    daemon.stop();
}

#[test]
fn a_commit_that_comes_to_nothing_is_deferred() {
    for (name, reply, log) in [
        ("CommitDropped", "451 4.3.0 ", "CommitDropped: could not settle: answered DEFER"),
        (
            "CommitPanics",
            "451 4.3.0 ",
            "CommitPanics: could not settle: panicked in settled: gone wrong with a commit in hand",
        ),
        (
            "CommitFails",
            "452 4.3.1 The disk is gone",
            "CommitFails: could not settle: answered DEFER: 452 4.3.1 The disk is gone",
        ),
    ] {
        // Those who are told after it undo what they have prepared.
        let daemon = Setup::chain(&format!("{name}|Header|MailDir")).start();
        let mut client = daemon.client();
        let answer = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(answer.starts_with(reply), "{name}: {answer}");
        daemon.log().wait_for(log);
        assert_eq!(daemon.mails("test").len(), 0);
        assert_eq!(daemon.unfinished("test").len(), 0);
        daemon.stop();
    }
}

#[test]
fn a_commit_that_has_begun_is_awaited_beyond_the_deadline() {
    let control = Control::new();
    let daemon = Setup::chain("Header|Commits|MailDir")
        .control(&control)
        .backend("gw_save_timeout", "2s")
        .start();
    let begun = Instant::now();
    let mut client = daemon.client();
    send_without_reading(&mut client, "late@example.com");
    let waiting = control.waiting_in("settled");
    // The deadline passes, and nobody is told 451 about what is being committed.
    let beyond = Duration::from_millis(2_500).saturating_sub(begun.elapsed());
    assert!(!client.hears_within(beyond), "answered during the commit");
    drop(waiting);
    client.expect_reply("250 2.0.0 ");
    assert_eq!(daemon.mails("test").len(), 1);
    daemon.stop();
}

#[test]
fn a_commit_that_takes_for_ever_is_deferred_and_known_when_it_comes() {
    let control = Control::new();
    let daemon = Setup::chain("Header|Commits|MailDir")
        .control(&control)
        .backend("gw_save_timeout", "500ms")
        .start();
    let mut client = daemon.client();
    send_without_reading(&mut client, "late@example.com");
    let waiting = control.waiting_in("settled");
    client.expect_reply("451 4.3.0 ");
    daemon.log().wait_for("no answer within the deadline: deferred");
    let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("451 "), "it waits behind the same commit: {reply}");
    drop(waiting);
    daemon.log().wait_for("after its deadline: the client was told to try again");
    let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

#[test]
fn a_commit_that_is_never_completed_does_not_hold_up_the_end() {
    let daemon =
        Setup::chain("Header|CommitsNever|MailDir").backend("gw_save_timeout", "500ms").start();
    let mut client = daemon.client();
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    client.expect("QUIT", "221 ");
    daemon.stop();
}

/// It is about a message that was refused already, and must not be told of the next one.
#[test]
fn a_reply_that_a_commit_leaves_behind_is_forgotten() {
    let daemon = Setup::chain("Answers|CommitFails|Policy").start();
    let mut client = daemon.client();
    let reply = client.mail("a@example.com", &["full@example.test"], MESSAGE);
    assert_eq!(reply, "452 4.2.2 Mailbox full");
    daemon.log().wait_for("CommitFails: could not settle");
    for (answer, expected) in [("defer", "451 4.3.0 "), ("reject", "554 5.6.0 ")] {
        let message = format!("X-Answer: {answer}\r\n\r\nHello.\r\n");
        let reply = client.mail("a@example.com", &["test@example.test"], &message);
        assert!(reply.starts_with(expected), "{answer}: {reply}");
        // Leaves one behind again.
        client.mail("a@example.com", &["full@example.test"], MESSAGE);
    }
    daemon.stop();
}
