//! Plugins that panic, fail or let go: each becomes the documented reply, nothing of the mail is left behind, and the
//! daemon serves the next mail on the same connection.

use crate::support::{Client, Daemon, Plugin, Setup};

/// Processors whose `save` goes wrong, and a part of the log line that says how.
const WRONG_IN_SAVE: [(&str, &str); 5] = [
    ("Panics", "Panics: fault: panicked in save: save gone wrong in two lines"),
    ("PanicsInline", "PanicsInline: fault: panicked in save: save gone wrong"),
    ("PendsWithoutHold", "PendsWithoutHold: fault: answered PENDING without a hold"),
    ("HoldsAndDrops", "HoldsAndDrops: dropped without a verdict, which is a deferral"),
    ("HoldsAndPanics", "HoldsAndPanics: panicked in save: gone wrong with a transaction in hand"),
];

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// A mail for `test` that goes wrong, then one that does not, on one connection.
#[track_caller]
fn assert_deferred_then_served(daemon: &Daemon, deferral: &str) {
    let mut client = daemon.client();
    let reply = client.mail("wrong@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with(deferral), "{reply}");
    assert_eq!(daemon.mails("test").len(), 0, "kept though deferred");
    assert_eq!(daemon.unfinished("test"), Vec::<std::path::PathBuf>::new());
    let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 OK: queued as "), "{reply}");
    assert_eq!(daemon.mails("test").len(), 1);
    client.expect("QUIT", "221 ");
    client.expect_end();
}

#[test]
fn a_save_that_goes_wrong_is_deferred_wherever_it_stands() {
    for (name, log) in WRONG_IN_SAVE {
        for chain in [format!("Header|MailDir|{name}"), format!("{name}|Header|MailDir")] {
            let daemon = Setup::chain(&chain).start();
            assert_deferred_then_served(&daemon, "451 4.3.0 ");
            daemon.log().wait_for(log);
            daemon.stop();
        }
    }
}

#[test]
fn a_commit_that_goes_wrong_is_deferred_and_undoes_those_behind_it() {
    for (name, reply, log) in [
        (
            "PanicsInSettled",
            "451 4.3.0 ",
            "PanicsInSettled: could not settle: panicked in settled: settled gone",
        ),
        ("FailsToSettle", "452 4.3.1 The disk is gone", "FailsToSettle: could not settle"),
    ] {
        let daemon = Setup::chain(&format!("{name}|Header|MailDir")).start();
        assert_deferred_then_served(&daemon, reply);
        daemon.log().wait_for(log);
        daemon.stop();
    }
}

#[test]
fn a_recipient_check_that_goes_wrong_is_deferred() {
    for name in ["Panics", "PanicsInline", "HoldsAndDrops", "HoldsAndPanics"] {
        let daemon = Setup::new().backend("validate_process", name).start();
        let mut client = daemon.client();
        client.expect("MAIL FROM:<wrong@example.com>", "250 ");
        client.expect("RCPT TO:<test@example.test>", "451 4.3.0 ");
        client.expect("DATA", "554 5.5.1 ");
        client.expect("RSET", "250 ");
        let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{name}: {reply}");
        daemon.stop();
    }
}

#[test]
fn a_panic_in_an_earlier_phase_is_deferred() {
    for name in ["Panics", "PanicsInline"] {
        let daemon = Setup::new().backend("mail_process", name).start();
        let mut client = daemon.client();
        client.expect("MAIL FROM:<wrong@example.com>", "451 4.3.0 ");
        let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{name}: {reply}");
        daemon.stop();

        let daemon = Setup::new().backend("helo_process", name).start();
        let mut client = Client::connect(daemon.address());
        client.expect_reply("220 ");
        client.expect("EHLO client.example", "451 ");
        client.expect("MAIL FROM:<a@example.com>", "503 5.5.1 ");
        client.expect("QUIT", "221 ");
        daemon.stop();

        let daemon = Setup::new().backend("connect_process", name).start();
        for _ in 0..2 {
            let mut client = Client::connect(daemon.address());
            client.expect_reply("421 ");
            client.expect_end();
        }
        daemon.log().wait_for("fault: panicked in connect: connect gone wrong");
        daemon.stop();
    }
}

#[test]
fn a_plugin_that_cannot_be_made_or_started_stops_the_start() {
    for (name, line) in [
        ("PanicsInCreate", "panicked in create: create gone wrong"),
        (
            "PanicsInStart",
            "processor PanicsInStart: cannot start: panicked in start: start gone wrong",
        ),
        ("FailsToStart", "processor FailsToStart: cannot start: the store is not there"),
    ] {
        let (code, complaints) = Setup::chain(&format!("Recorder|{name}")).refused();
        assert_eq!(code, Some(78), "{complaints:?}");
        let [complaint] = &complaints[..] else { panic!("{complaints:?}") };
        assert!(complaint.contains(name) && complaint.contains(line), "{complaint}");
    }
}

#[test]
fn panics_at_the_end_do_not_spoil_it() {
    let daemon = Setup::chain("Header|MailDir|PanicsInDrop").start();
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

#[test]
fn a_panic_in_an_event_that_nobody_awaits_is_a_line_in_the_log() {
    let daemon = Setup::chain("Header|MailDir|PanicsInEvents").start();
    let mut client = daemon.client();
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    client.expect("QUIT", "221 ");
    for event in ["opened", "settled", "closed"] {
        daemon.log().wait_for(&format!("panicked in {event}: {event} gone wrong"));
    }
    daemon.stop();
}

#[test]
fn a_plugin_in_c_serves_like_any_other() {
    let setup = Setup::chain("Forbidden|Header|MailDir").backend("forbidden_word", "lottery");
    Plugin::InC.install(&setup.plugins_dir());
    let daemon = setup.start();
    let mut client = daemon.client();
    let message = "Subject: Win the lottery\r\n\r\nNow.\r\n";
    let reply = client.mail("a@example.com", &["test@example.test"], message);
    assert_eq!(reply, "550 5.7.1 We do not speak of that");
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert!(daemon.mails("test")[0].contains("X-Checked-In-C: for 1 recipients\n"));
    daemon.log().wait_for("Forbidden: refused 1 so far");
    daemon.stop();
}

#[test]
fn a_transaction_is_completed_from_another_thread() {
    let daemon = Setup::chain("Holds|Header|MailDir").backend("validate_process", "Holds").start();
    let mut client = daemon.client();
    for number in 1..=50 {
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{number}: {reply}");
    }
    let mails = daemon.mails("test");
    assert_eq!(mails.len(), 50);
    let held = |mail: &String| mail.contains("\nX-Held: by another thread\n");
    assert!(mails.iter().all(held), "{}", mails[0]);
    daemon.stop();
}

#[test]
fn stages_hear_what_happens_once_and_in_order() {
    // An alias, in another case, and blanks round the bars.
    let daemon = Setup::chain(" header | NOTARY|MailDir | Panics").start();
    let mut client = daemon.client();
    client.mail("fine@example.com", &["test@example.test", "other@example.test"], MESSAGE);
    client.mail("wrong@example.com", &["test@example.test"], MESSAGE);
    // One that comes to nothing is no question.
    client.envelope("fine@example.com", &["test@example.test"]);
    client.expect("RSET", "250 ");
    client.expect("QUIT", "221 ");
    client.expect_end();
    daemon.log().wait_for("recorded closed ");
    let records = daemon.records();
    let field = |index: usize, key: &str| records[index][key].clone();
    let what: Vec<_> =
        records.iter().map(|record| record["what"].as_str().expect("text")).collect();
    assert_eq!(what, ["opened", "save", "settled", "save", "settled", "closed"], "{records:?}");
    assert_eq!(field(0, "id"), field(5, "id"));
    assert_eq!(field(1, "id"), field(2, "id"));
    assert_eq!((field(2, "accepted"), field(4, "accepted")), (true.into(), false.into()));
    assert_eq!(field(2, "rcpt").as_array().map(Vec::len), Some(2));
    assert_eq!(field(2, "body"), MESSAGE.escape_default().to_string());
    daemon.stop();
}

#[test]
fn a_session_sent_in_one_piece_is_answered_in_order() {
    let daemon = Setup::chain("Header|MailDir|Panics")
        .backend("helo_process", "Policy")
        .backend("mail_process", "Policy")
        .backend("validate_process", "Policy|Holds|MailDir")
        .start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    let mail = |from: &str| {
        format!(
            "MAIL FROM:<{from}@example.com>\r\nRCPT TO:<unknown@example.test>\r\n\
             RCPT TO:<test@example.test>\r\nDATA\r\n{MESSAGE}.\r\n"
        )
    };
    let (wrong, fine) = (mail("wrong"), mail("fine"));
    client.send(format!("EHLO client.example\r\n{fine}{wrong}{fine}QUIT\r\n"));
    client.expect_reply("250-");
    for outcome in ["250 2.0.0 ", "451 4.3.0 ", "250 2.0.0 "] {
        for expected in ["250 2.1.0 ", "550 5.1.1 ", "250 2.1.5 ", "354 ", outcome] {
            client.expect_reply(expected);
        }
    }
    client.expect_reply("221 ");
    client.expect_end();
    assert_eq!(daemon.mails("test").len(), 2);
    daemon.stop();
}

#[test]
fn the_built_in_processors_need_no_plugin_and_may_be_named_more_than_once() {
    let daemon = Setup::without_plugins()
        .backend(
            "save_process",
            "HeadersParser|Header|Hasher|Compressor|Debugger|compressor|DEBUGGER",
        )
        .backend("log_received_mails", true)
        .start();
    let mut client = daemon.client();
    for _ in 0..2 {
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 OK: queued as "), "{reply}");
    }
    daemon.log().wait_for("test@example.test");
    daemon.stop();
}
