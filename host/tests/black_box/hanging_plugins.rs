//! Plugins that do not answer in time: the client hears 451 soon, others are served meanwhile, and what comes too
//! late is known and undone.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Client, Control, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Far below what `gw_save_timeout` is when ours (2 s) is not heeded: 30 s.
const SOON: Duration = Duration::from_secs(20);

/// Below what `gw_val_rcpt_timeout` is when ours (1 s) is not heeded: 5 s.
const SOON_FOR_RCPT: Duration = Duration::from_secs(4);

/// Sends everything of a mail but does not read the reply to it.
#[track_caller]
fn send_without_reading(client: &mut Client) {
    client.envelope("wrong@example.com", &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send(format!("{MESSAGE}.\r\n"));
}

#[test]
fn a_save_that_hangs_is_deferred_and_a_late_success_is_undone() {
    for (name, place) in [("Hangs", "save"), ("HoldsUntilTold", "held")] {
        let control = Control::new();
        let daemon = Setup::chain(&format!("Header|MailDir|Recorder|{name}"))
            .control(&control)
            .backend("gw_save_timeout", "2s")
            .start();
        let mut client = daemon.client();
        let mut other = daemon.client();
        let begin = Instant::now();
        send_without_reading(&mut client);
        let waiting = control.waiting_in(place);
        let reply = other.mail("fine@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "others while it hangs: {reply}");
        client.expect_reply("451 4.3.0 ");
        assert!(begin.elapsed() < SOON, "{name}: 451 only after {:?}", begin.elapsed());
        daemon.log().wait_for("no answer within the deadline: deferred");
        let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "the same client while it hangs: {reply}");
        assert_eq!(daemon.unfinished("test").len(), 1, "prepared and not decided");

        drop(waiting);
        let late = daemon.log().wait_for("after its deadline: undone");
        let save = daemon.records().into_iter().find(|record| record["what"] == "save");
        let id = save.expect("the late one came first")["id"].as_str().expect("text").to_owned();
        assert!(late.contains(&id), "{id} in {late}");
        daemon.log().wait_for_so_many(3, "recorded settled ");
        let settled: Vec<_> = daemon
            .records()
            .iter()
            .filter(|record| record["what"] == "settled")
            .map(|record| record["accepted"] == true)
            .collect();
        assert_eq!(settled, [true, true, false], "the late one comes last and is refused");
        assert_eq!(daemon.unfinished("test").len(), 0);
        assert_eq!(daemon.mails("test").len(), 2);
        daemon.stop();
    }
}

#[test]
fn a_transaction_that_is_never_completed_is_deferred() {
    let daemon =
        Setup::chain("Header|MailDir|HoldsForever").backend("gw_save_timeout", "2s").start();
    let mut client = daemon.client();
    let begin = Instant::now();
    let reply = client.mail("wrong@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert!(begin.elapsed() < SOON, "451 only after {:?}", begin.elapsed());
    let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(daemon.mails("test").len(), 1);
    // What is held for ever must not hold up the end.
    client.expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn a_recipient_check_that_hangs_is_deferred() {
    let control = Control::new();
    let daemon = Setup::new()
        .control(&control)
        .backend("validate_process", "Hangs")
        .backend("gw_val_rcpt_timeout", "1s")
        .start();
    let mut client = daemon.client();
    client.expect("MAIL FROM:<wrong@example.com>", "250 ");
    let begin = Instant::now();
    client.send("RCPT TO:<test@example.test>\r\n");
    let waiting = control.waiting_in("rcpt");
    let reply = daemon.client().mail("fine@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "others while it hangs: {reply}");
    client.expect_reply("451 4.3.0 ");
    assert!(begin.elapsed() < SOON_FOR_RCPT, "451 only after {:?}", begin.elapsed());
    drop(waiting);
    client.expect("DATA", "554 5.5.1 ");
    client.expect("RSET", "250 ");
    let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

#[test]
fn a_stage_that_hangs_takes_its_own_threads_only() {
    let control = Control::new();
    let daemon = Setup::chain("Header|MailDir|Recorder")
        .control(&control)
        .backend("validate_process", "Hangs")
        .backend("gw_val_rcpt_timeout", "1s")
        .backend("save_workers_size", 1)
        .start();
    // Past its RCPT before the one thread of Hangs is taken.
    let mut other = daemon.client();
    other.envelope("fine@example.com", &["test@example.test"]);
    let mut client = daemon.client();
    client.expect("MAIL FROM:<wrong@example.com>", "250 ");
    client.send("RCPT TO:<test@example.test>\r\n");
    let waiting = control.waiting_in("rcpt");
    other.expect("DATA", "354 ");
    other.send(MESSAGE);
    other.expect(".", "250 2.0.0 ");
    client.expect_reply("451 4.3.0 ");
    // Who needs that thread waits for the deadline only.
    other.expect("MAIL FROM:<fine@example.com>", "250 ");
    other.expect("RCPT TO:<test@example.test>", "451 4.3.0 ");
    drop(waiting);
    other.expect("RCPT TO:<other@example.test>", "250 ");
    other.expect("DATA", "354 ");
    other.send(MESSAGE);
    other.expect(".", "250 2.0.0 ");
    let record = daemon.records().pop().expect("a second mail");
    assert_eq!(
        (&record["from"], &record["rcpt"]),
        (&json!("fine@example.com"), &json!(["other@example.test"]))
    );
    daemon.stop();
}

#[test]
fn a_plugin_that_hangs_does_not_hold_up_the_end() {
    let control = Control::new();
    let mut daemon = Setup::chain("Header|MailDir|Hangs")
        .control(&control)
        .backend("gw_save_timeout", "2s")
        .start();
    let mut client = daemon.client();
    send_without_reading(&mut client);
    let _waiting = control.waiting_in("save");
    let begin = Instant::now();
    daemon.signal(Signal::SIGTERM);
    client.expect_reply("451 4.3.0 ");
    client.expect_reply("421 4.3.2 ");
    client.expect_end();
    assert_eq!(daemon.exit_code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(20), "ended only after {:?}", begin.elapsed());
    assert_eq!(daemon.mails("test").len(), 0);
}

#[test]
fn a_message_in_a_plugins_hands_is_answered_before_the_end() {
    for (name, place) in [("Hangs", "save"), ("HoldsUntilTold", "held")] {
        let control = Control::new();
        let chain = format!("Header|MailDir|{name}");
        let mut daemon = Setup::chain(&chain).control(&control).start();
        let mut client = daemon.client();
        send_without_reading(&mut client);
        let waiting = control.waiting_in(place);
        daemon.signal(Signal::SIGTERM);
        daemon.log().wait_for("SIGTERM: no new clients");
        assert_eq!(daemon.unfinished("test").len(), 1, "prepared");
        drop(waiting);
        client.expect_reply("250 2.0.0 ");
        client.expect_reply("421 4.3.2 ");
        client.expect_end();
        assert_eq!(daemon.exit_code(), Some(0), "{name}");
        assert_eq!(daemon.mails("test").len(), 1);
    }
}

#[test]
fn a_client_that_leaves_meanwhile_gives_its_place_back() {
    let control = Control::new();
    let daemon = Setup::chain("Header|MailDir|Recorder|Hangs")
        .control(&control)
        .server("max_clients", 1)
        .start();
    let mut client = daemon.client();
    send_without_reading(&mut client);
    let waiting = control.waiting_in("save");
    drop(client);
    Client::connect(daemon.address()).expect_reply("421 ");
    drop(waiting);
    daemon.log().wait_for("recorded closed ");
    let mut next = Client::admitted(daemon.address());
    next.expect("EHLO client.example", "250");
    let reply = next.mail("fine@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(daemon.unfinished("test").len(), 0);
    daemon.stop();
}

#[test]
fn the_log_tells_whose_mail_was_deferred() {
    let daemon = Setup::chain("Header|HoldsForever").backend("gw_save_timeout", "300ms").start();
    let mut client = daemon.client();
    let reply = client.mail("wrong@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    let line = daemon.log().wait_for(" message deferred ");
    for part in ["from=<wrong@example.com>", "rcpts=1", " reply=\"451 4.3.0 "] {
        assert!(line.contains(part), "{part} in {line}");
    }
    daemon.stop();
}
