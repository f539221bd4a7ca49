//! `guerrillad status`, `reload` and `trace` against a running daemon.

use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{MESSAGE, with_admin};
use crate::support::{Client, Daemon, Process, Setup, guerrillad};

fn command(daemon: &Daemon, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guerrillad"));
    command.args(args).arg("--admin");
    command.arg(format!("unix:{}", daemon.dir().join("admin.sock").display()));
    command.output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn status_is_one_screen_or_json() {
    let daemon = with_admin(Setup::new());
    daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    let output = command(&daemon, &["status"]);
    let screen = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{screen}");
    for part in
        ["  ready\n", "accepted=1", "250=", "HeadersParser | Header | Hasher | MailDir", "maildir "]
    {
        assert!(screen.contains(part), "{part} in:\n{screen}");
    }
    assert!(screen.lines().count() <= 24, "{screen}");
    let output = command(&daemon, &["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(status["servers"][0]["messages"]["accepted"], 1);
    let socket = daemon.dir().join("admin.sock");
    let gone = format!("unix:{}", socket.with_extension("gone").display());
    let output = Command::new(env!("CARGO_BIN_EXE_guerrillad"))
        .args(["status", "--admin", &gone])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is the daemon running?"), "{output:?}");
    daemon.stop();
}

#[test]
fn the_config_says_where_the_daemon_is() {
    let daemon = with_admin(Setup::without_plugins());
    let config = daemon.config_file();
    let output = Command::new(env!("CARGO_BIN_EXE_guerrillad"))
        .args(["status", "-c", &config])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    daemon.stop();
}

#[test]
fn reload_tells_what_has_changed_or_why_nothing_has() {
    let daemon = with_admin(Setup::without_plugins());
    daemon.edit(|config| config["allowed_hosts"] = serde_json::json!(["other.test"]));
    let output = command(&daemon, &["reload"]);
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), "config_change:new_config\nconfig_change:allowed_hosts\nreloaded, changes: 2\n"),
        "{output:?}"
    );
    daemon.edit(|config| {
        config["umask"] = "0077".into();
        config["lisen"] = 1.into();
    });
    let file = daemon.config_file();
    let output = command(&daemon, &["reload"]);
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (
            Some(0),
            format!(
                "warning: {file}: lisen: unknown key, ignored\n\
                 warning: umask: settled at the start; the new value takes effect with the next one\n\
                 config_change:new_config\nreloaded, changes: 1\n"
            )
        )
    );
    daemon.edit(|config| config["backend_config"]["save_process"] = "Nobody".into());
    let output = command(&daemon, &["reload"]);
    // One line is enough to know why.
    daemon.log().wait_for(
        "ERROR not reloaded, everything stays as it was: backend_config.save_process: there is no processor \"Nobody\"",
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Nobody"), "{said}");
    assert!(said.ends_with("not reloaded, everything stays as it was\n"), "{said}");
    daemon.put_config("{");
    let output = command(&daemon, &["reload"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut client = daemon.client();
    client.envelope("a@example.com", &["a@other.test"]);
    daemon.stop();
}

#[test]
fn without_an_admin_interface_the_pid_file_has_to_do() {
    let setup = Setup::without_plugins();
    let pid_file = setup.dir().join("pid").display().to_string();
    let daemon = setup.top("pid_file", pid_file.clone()).start();
    let config = daemon.config_file();
    for args in [["reload", "-c", &config], ["reload", "--pidFile", &pid_file]] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_guerrillad")).args(args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).contains("its log says what came of it"), "{output:?}");
    }
    daemon.log().wait_for("reloaded, changes: 0");
    daemon.stop();
}

fn trace(daemon: &Daemon, ip: &str) -> Process {
    let admin = format!("unix:{}", daemon.dir().join("admin.sock").display());
    guerrillad(daemon.dir(), ["trace", "--ip", ip, "--admin", &admin])
}

#[test]
fn trace_shows_one_peer_and_no_secrets() {
    let daemon = with_admin(Setup::without_plugins());
    let mut trace = trace(&daemon, "127.0.0.9");
    trace.stdout.wait_for("-- waiting for clients from 127.0.0.9");
    let mut other = daemon.client();
    other.expect("NOOP other", "250");
    let mut client = Client::connect_from([127, 0, 0, 9], daemon.address());
    client.expect_reply("220 ");
    client.expect("EHLO traced.example", "250");
    client.expect("AUTH PLAIN AGFubgBodW50ZXIy", "50");
    client.expect("aHVudGVyMg==", "500");
    client.mail("a@example.com", &["test@example.test"], "Subject: hunter2\r\n\r\nhunter2\r\n");
    client.expect("MAIL FROM:<b@example.com>", "250");
    client.expect("RCPT TO:<test@example.test>", "250");
    client.send("BDAT 7\r\nhunter2BDAT 9 LAST\r\nhunter2\r\n");
    client.expect_reply("250");
    client.expect_reply("250");
    // Chunks that nobody wants are skipped to their end, and what stands behind them is a command again.
    client.send("BDAT 11\r\nhunter2VRFYBDAT 3 LAST\r\nh2\nVRFY hunter\r\nQUIT\r\n");
    client.expect_reply("503");
    client.expect_reply("503");
    client.expect_reply("252");
    client.expect_reply("221");
    trace.stdout.wait_for("-- closed reason=Quit");
    let shown = trace.stdout.text();
    for part in [
        "-- opened",
        "S: 220 mail.example.test",
        "C: EHLO traced.example",
        "S: 250-mail.example.test",
        "C: AUTH [23 bytes]",
        "C: [12 bytes that are no command]",
        "C: MAIL FROM:<a@example.com>",
        "C: BDAT 7\n",
        "C: [7 bytes of a message]",
        "C: BDAT 9 LAST\n",
        "C: [9 bytes of a message]",
        "C: BDAT 11\n",
        "C: [11 bytes of a message]",
        "C: BDAT 3 LAST\n",
        "C: [3 bytes of a message]",
        "C: VRFY hunter\n",
        "S: 354 ",
        " bytes of a message]",
        "S: 250 2.0.0 OK: queued as ",
        "C: QUIT",
    ] {
        assert!(shown.contains(part), "{part} in:\n{shown}");
    }
    for secret in ["hunter2", "AGFubg", "aHVudGVy", "NOOP", "Subject"] {
        assert!(!shown.contains(secret), "{secret} in:\n{shown}");
    }
    daemon.stop();
    assert_eq!(trace.exit_code(), Some(1), "the daemon has ended");
}

/// Whoever stops watching leaves nothing behind, and there is a limit.
#[test]
fn so_many_traces_at_a_time() {
    let daemon = with_admin(Setup::without_plugins());
    let begin = || {
        let trace = trace(&daemon, "127.0.0.1");
        trace.stdout.wait_for("-- waiting");
        trace
    };
    let mut traces: Vec<Process> = (0..8).map(|_| begin()).collect();
    let mut ninth = trace(&daemon, "127.0.0.1");
    assert_eq!(ninth.exit_code(), Some(1));
    assert!(ninth.stderr.text().contains("503"), "{}", ninth.stderr.text());
    let mut last = traces.pop().expect("eight");
    last.signal(Signal::SIGTERM);
    last.wait();
    // Its place is free when the daemon has seen that it has gone.
    let begun = std::time::Instant::now();
    loop {
        let mut again = trace(&daemon, "127.0.0.1");
        let is_in = loop {
            if again.stdout.text().contains("-- waiting") {
                break true;
            }
            if again.stderr.text().contains("503") {
                break false;
            }
            assert!(begun.elapsed() < crate::support::PATIENCE, "no place");
            std::thread::yield_now();
        };
        again.signal(Signal::SIGTERM);
        again.wait();
        if is_in {
            break;
        }
    }
    daemon.stop();
}
