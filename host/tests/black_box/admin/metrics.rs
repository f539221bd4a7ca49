//! What is counted, and that it may be read while mail flows.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::json;

use super::{MESSAGE, checked_by_promtool, page, with_admin};
use crate::support::{Client, PATIENCE, Setup};

/// The value of a metric with these labels.
#[track_caller]
pub(crate) fn metric(text: &str, name: &str, labels: &str) -> Option<f64> {
    let start = format!("guerrillad_{name}");
    let line = text.lines().find(|line| {
        let rest = line.strip_prefix(&start);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
    })?;
    Some(line.rsplit(' ').next()?.parse().expect("a number"))
}

/// Waits until a metric has a value: what happens at the end of a connection happens after the client has left.
#[track_caller]
pub(crate) fn await_metric(socket: &Path, name: &str, labels: &str, wanted: f64) {
    let begin = Instant::now();
    loop {
        let (_, text) = page(socket, "/metrics");
        let found = metric(&text, name, labels);
        if found == Some(wanted) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{name} {labels}: {found:?}, not {wanted} in:\n{text}");
    }
}

#[test]
fn commands_replies_and_ends_are_counted() {
    let daemon = with_admin(Setup::without_plugins());
    let socket = daemon.dir().join("admin.sock");
    let mut client = daemon.client();
    client.mail("a@example.com", &["test@example.test", "b@example.test"], MESSAGE);
    client.expect("RCPT TO:<a@example.test>", "503");
    client.expect("NOSUCH", "500");
    client.expect("noop", "250");
    client.expect("QUIT", "221");
    client.expect_end();
    await_metric(&socket, "connections_closed_total", r#"reason="quit""#, 1.0);
    let (_, text) = page(&socket, "/metrics");
    for (verb, count) in [
        ("ehlo", 1),
        ("mail", 1),
        ("rcpt", 3),
        ("data", 1),
        ("noop", 1),
        ("quit", 1),
        ("unknown", 1),
        ("helo", 0),
    ] {
        let found = metric(&text, "commands_total", &format!("verb=\"{verb}\""));
        assert_eq!(found, Some(count.into()), "{verb} in:\n{text}");
    }
    for (code, count) in [(220, 1), (250, 6), (354, 1), (500, 1), (503, 1), (221, 1)] {
        let found = metric(&text, "replies_total", &format!("code=\"{code}\""));
        assert_eq!(found, Some(count.into()), "{code} in:\n{text}");
    }
    assert_eq!(metric(&text, "message_seconds_count", ""), Some(1.0));
    assert_eq!(metric(&text, "message_memory_bytes", ""), Some(0.0));
    for name in
        ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds "]
    {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} in:\n{text}");
    }
    daemon.stop();
}

#[test]
fn limits_are_counted_by_name() {
    let setup = Setup::without_plugins()
        .server("max_size", 1000)
        .server("max_rcpt", 1)
        .server("max_clients", 2)
        .server("max_errors", 2)
        .server("max_messages", 1)
        .server("timeout", 1);
    let daemon = with_admin(setup);
    let socket = daemon.dir().join("admin.sock");
    let limit = |name: &str| {
        await_metric(&socket, "limits_total", &format!("limit=\"{name}\""), 1.0);
    };
    let mut silent = Client::connect(daemon.address());
    silent.expect_reply("220 ");
    let mut client = daemon.client();
    let mut third = Client::connect(daemon.address());
    third.expect_reply("421 ");
    limit("max_clients");
    client.expect("MAIL FROM:<a@example.com> SIZE=1001", "552 5.3.4");
    limit("max_size");
    client.expect("MAIL FROM:<a@example.com>", "250");
    client.expect("RCPT TO:<a@example.test>", "250");
    client.expect("RCPT TO:<b@example.test>", "452 4.5.3");
    limit("max_rcpt");
    client.expect("RSET", "250");
    client.expect("MAIL FROM:<a@example.com>", "421");
    limit("max_messages");
    silent.expect_reply("421 4.4.2");
    limit("timeout");
    let mut clumsy = Client::admitted(daemon.address());
    clumsy.expect("EHLO", "501");
    clumsy.expect("EHLO", "421");
    limit("max_errors");
    await_metric(&socket, "connections_closed_total", r#"reason="errors""#, 1.0);
    daemon.stop();
}

#[test]
fn a_reload_that_was_refused_is_counted_too() {
    let daemon = with_admin(Setup::without_plugins());
    let socket = daemon.dir().join("admin.sock");
    daemon.edit(|config| config["backend_config"]["save_process"] = "Nobody".into());
    daemon.reload().expect_err("no such processor");
    await_metric(&socket, "reloads_total", r#"outcome="refused""#, 1.0);
    daemon.put_config("{ this is no JSON");
    daemon.reload().expect_err("no JSON");
    await_metric(&socket, "reloads_total", r#"outcome="refused""#, 2.0);
    await_metric(&socket, "last_reload_done", "", 0.0);
    daemon.stop();
}

/// Each scrape is whole and well-formed, and no count ever goes back.
#[test]
fn scrapes_under_load_are_whole() {
    let daemon = with_admin(Setup::new().server("max_clients", 20));
    let socket = daemon.dir().join("admin.sock");
    let address = daemon.address();
    let ended = AtomicBool::new(false);
    let mut last = 0.0;
    thread::scope(|scope| {
        for number in 0..4 {
            let ended = &ended;
            scope.spawn(move || {
                let mut client = Client::introduced(address);
                while !ended.load(Ordering::Relaxed) {
                    let from = format!("{number}@example.com");
                    client.mail(&from, &["test@example.test"], MESSAGE);
                }
            });
        }
        for round in 0..30 {
            let (code, text) = page(&socket, "/metrics");
            assert_eq!(code, 200);
            assert!(text.ends_with("# EOF\n"), "{text}");
            let count = metric(&text, "messages_total", r#"verdict="accepted""#).unwrap_or(0.0);
            assert!(count >= last, "{count} after {last}");
            last = count;
            if round % 10 == 0 {
                checked_by_promtool(daemon.dir(), &text);
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    let (_, text) = page(&socket, "/metrics");
    let messages = metric(&text, "messages_total", r#"verdict="accepted""#);
    assert_eq!(messages, metric(&text, "commands_total", r#"verb="data""#));
    let asked = r#"phase="save",status="continue""#;
    assert_eq!(messages, metric(&text, "stage_calls_total", asked));
    assert_eq!(messages, Some(daemon.mails("test").len() as f64));
    let begun = metric(&text, "commands_total", r#"verb="mail""#);
    assert_eq!(messages, begun, "every one was accepted");
    daemon.stop();
}

#[test]
fn status_has_the_same_numbers() {
    let daemon = with_admin(Setup::without_plugins());
    let socket = daemon.dir().join("admin.sock");
    daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    let (_, text) = page(&socket, "/status");
    let status: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let server = &status["servers"][0];
    assert_eq!(server["commands"]["mail"], 1);
    assert_eq!(server["replies"]["354"], 1);
    assert_eq!(server["times"]["count"], 1);
    assert_eq!(status["reloads"], json!({ "done": 0, "refused": 0, "last": null }));
    assert_eq!(status["pid"], daemon.pid());
    daemon.stop();
}
