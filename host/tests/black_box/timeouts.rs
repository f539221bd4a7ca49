//! `on_timeout`: what it means that a processor has not answered in time. Nothing that was acknowledged is lost, and what a
//! processor has prepared for a chain that has gone on without it is undone.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, Control, Daemon, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Far below the default of `gw_save_timeout`, 30 s.
const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn start(chain: &str, hangs: &str, policy: &str, control: &Control) -> Daemon {
    Setup::chain(chain)
        .control(control)
        .backend("gw_save_timeout", "4s")
        .backend("processors", json!({hangs: {"on_timeout": policy}}))
        .start()
}

#[track_caller]
fn send(daemon: &Daemon) -> Client {
    let mut client = daemon.client();
    client.envelope("wrong@example.com", &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send(format!("{MESSAGE}.\r\n"));
    client
}

#[test]
fn continue_leaves_the_stage_out_and_asks_all_others() {
    for (name, place) in [("HangsAndHears", "save"), ("HoldsUntilTold", "held")] {
        let control = Control::new();
        let daemon = start(&format!("Header|{name}|MailDir"), name, "continue", &control);
        let begin = Instant::now();
        let mut client = send(&daemon);
        let waiting = control.waiting_in(place);
        client.expect_reply("250 2.0.0 ");
        assert!(begin.elapsed() < SOON, "{name}: 250 only after {:?}", begin.elapsed());
        daemon.log().wait_for(&format!("{name}: no answer within "));
        let mails = daemon.mails("test");
        assert_eq!(mails.len(), 1, "{name}: what was acknowledged is kept");
        assert!(!mails[0].contains("X-Hung"), "{}", mails[0]);
        assert_eq!(daemon.log().with("heard of ").len(), 0, "it is still being asked");

        drop(waiting);
        daemon.log().wait_for("after the chain had gone on without it: undone");
        if name == "HangsAndHears" {
            daemon.log().wait_for("heard of wrong@example.com: not accepted");
        }
        // It is not given up for ever.
        let reply = client.mail("fine@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        if name == "HangsAndHears" {
            daemon.log().wait_for("heard of fine@example.com: accepted");
            assert_eq!(daemon.log().with("heard of wrong@").len(), 1, "told once");
            assert!(daemon.mails("test").iter().any(|mail| mail.contains("X-Hung")));
        }
        daemon.stop();
    }
}

#[test]
fn several_that_hang_are_all_left_out() {
    let control = Control::new();
    let sections = json!({
        "one": {"use": "Hangs", "on_timeout": "continue", "misbehaving_control": control.path()},
        "two": {"use": "Hangs", "on_timeout": "continue", "misbehaving_control": control.path()},
    });
    let daemon = Setup::chain("one|Header|two|MailDir")
        .backend("gw_save_timeout", "4s")
        .backend("processors", sections)
        .start();
    let mut client = send(&daemon);
    let _waiting = [control.waiting_in("save"), control.waiting_in("save")];
    client.expect_reply("250 2.0.0 ");
    for name in ["one", "two"] {
        daemon.log().wait_for(&format!(" {name}: no answer within "));
    }
    assert_eq!(daemon.mails("test").len(), 1);
    client.expect("QUIT", "221 ");
    daemon.stop();
}

/// `stop` is called last: also after a question that nobody waits for any more, and after what is told of its end.
#[test]
fn a_reload_does_not_stop_a_stage_that_still_hangs() {
    let control = Control::new();
    let daemon = start("Header|HangsAndHears|MailDir", "HangsAndHears", "continue", &control);
    let mut client = send(&daemon);
    let waiting = control.waiting_in("save");
    client.expect_reply("250 2.0.0 ");
    client.expect("QUIT", "221 ");
    // Another number of threads is another stage; the one that has nothing in hand ends at once.
    daemon.edit(|config| {
        let sections = &mut config["backend_config"]["processors"];
        sections["HangsAndHears"]["workers"] = 3.into();
        sections["MailDir"] = json!({"workers": 3});
    });
    daemon.reload().expect("reloaded");
    daemon.log().wait_for("MailDir: its last message is done; stopped");
    drop(waiting);
    daemon.log().wait_for("heard of wrong@example.com: not accepted");
    daemon.log().wait_for("HangsAndHears: its last message is done; stopped");
    let lines = daemon.log().lines();
    let at = |part: &str| lines.iter().position(|line| line.contains(part));
    assert!(at("heard of wrong@") < at("HangsAndHears: its last message"), "{lines:?}");
    daemon.stop();
}

/// A store in front of it has prepared, and keeps the message although the one behind hangs.
#[test]
fn those_in_front_are_told_that_the_message_is_accepted() {
    let control = Control::new();
    let daemon = start("Header|MailDir|Recorder|Hangs", "Hangs", "continue", &control);
    let mut client = send(&daemon);
    let _waiting = control.waiting_in("save");
    client.expect_reply("250 2.0.0 ");
    assert_eq!((daemon.mails("test").len(), daemon.unfinished("test").len()), (1, 0));
    let settled = daemon.records().into_iter().find(|record| record["what"] == "settled");
    assert_eq!(settled.expect("awaited")["accepted"], true);
    client.expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn reject_and_defer_at_the_chains_deadline() {
    for (policy, reply) in [("reject", "554 5."), ("defer", "451 4.3.0 ")] {
        let control = Control::new();
        let daemon = start("Header|MailDir|HangsAndHears", "HangsAndHears", policy, &control);
        let mut client = send(&daemon);
        let waiting = control.waiting_in("save");
        client.expect_reply(reply);
        daemon.log().wait_for(&format!("no answer within the deadline: {policy}"));
        drop(waiting);
        daemon.log().wait_for("after its deadline: undone");
        daemon.log().wait_for("heard of wrong@example.com: not accepted");
        assert_eq!((daemon.mails("test").len(), daemon.unfinished("test").len()), (0, 0));
        daemon.stop();
    }
}

#[test]
fn a_recipient_check_that_hangs_is_left_out() {
    let control = Control::new();
    let daemon = Setup::new()
        .control(&control)
        .backend("validate_process", "Hangs|Policy")
        .backend("gw_val_rcpt_timeout", "1s")
        .backend("processors", json!({"Hangs": {"on_timeout": "continue"}}))
        .start();
    let mut client = daemon.client();
    client.expect("MAIL FROM:<wrong@example.com>", "250 ");
    client.send("RCPT TO:<unknown@example.test>\r\n");
    let _waiting = control.waiting_in("rcpt");
    // The one behind it has been asked.
    client.expect_reply("550 5.1.1 ");
    client.expect("QUIT", "221 ");
    daemon.stop();
}

/// After many timeouts it is not called, and the policy for them, not that for faults, says what that means.
#[test]
fn a_stage_that_only_hangs_is_left_alone_as_its_timeouts_say() {
    let section = json!({"HoldsForever": {"on_timeout": "continue", "on_fault": "reject"}});
    let daemon = Setup::chain("HoldsForever|Header|MailDir")
        .backend("gw_save_timeout", "200ms")
        .backend("processors", section)
        .start();
    let mut client = daemon.client();
    for _ in 0..11 {
        let reply = client.mail("wrong@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 ") || reply.starts_with("451 "), "{reply}");
    }
    daemon.log().wait_for("HoldsForever: too many faults in a row: not called for");
    client.expect("QUIT", "221 ");
    daemon.stop();
}
