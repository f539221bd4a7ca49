//! Real mail clients send real mail; what is in the maildir afterwards is what they have sent, byte by byte.
//!
//! The clients are Python scripts (`tests/clients`): smtplib, curl, swaks, and two that speak raw SMTP. Each prints a
//! line for each check and fails as a whole.

use std::path::Path;
use std::process::Command;

use crate::support::{Daemon, Process, Setup};

/// A daemon as the scripts expect it.
fn daemon(line_ending: &str) -> Daemon {
    Setup::new()
        // The largest sample has 28,698,192 octets on the wire.
        .server("max_size", 30_000_000)
        .backend("maildir_line_ending", line_ending)
        .top("log_level", "info")
        .start()
}

#[track_caller]
fn assert_passes(command: Command) {
    let mut script = Process::spawn(command);
    let code = script.exit_code();
    let out = &script.stdout;
    let failures = out.with("FAIL").join("\n");
    assert_eq!(code, Some(0), "{failures}\n{}", script.stderr.text());
    assert!(out.with(" 0 failed").len() == 1, "no summary:\n{}", out.text());
}

/// Runs a script with each line ending that a maildir can have.
#[track_caller]
fn assert_delivers(script: &str) {
    for line_ending in ["lf", "crlf"] {
        let daemon = daemon(line_ending);
        assert_passes(daemon.script(script, &["--line-ending", line_ending]));
        daemon.stop();
    }
}

#[test]
fn smtplib_delivers_every_sample() {
    assert_delivers("smtplib_client.py");
}

#[test]
fn curl_delivers_every_sample() {
    assert_delivers("curl_client.py");
}

#[test]
fn swaks_delivers_every_sample() {
    assert_delivers("swaks_client.py");
}

#[test]
fn many_mails_at_a_time_are_each_delivered_once() {
    assert_delivers("parallel.py");
}

#[test]
fn hostile_clients_stay_in_step_and_smuggle_nothing() {
    assert_delivers("raw.py");
}

#[test]
fn a_mail_under_way_is_finished_when_the_daemon_is_stopped() {
    for signal in ["TERM", "INT", "QUIT"] {
        let mut daemon = daemon("lf");
        // The script watches the process end, so it is not waited for until the script has ended.
        let pid = daemon.pid().to_string();
        assert_passes(daemon.script("shutdown.py", &["--pid", &pid, "--signal", signal]));
        assert_eq!(daemon.exit_code(), Some(0), "after SIG{signal}");
    }
}

#[test]
fn an_idle_daemon_ends_at_once() {
    for signal in ["TERM", "INT", "QUIT"] {
        let mut daemon = daemon("lf");
        let pid = daemon.pid().to_string();
        assert_passes(
            daemon.script("shutdown.py", &["--pid", &pid, "--signal", signal, "--idle-only"]),
        );
        assert_eq!(daemon.exit_code(), Some(0), "after SIG{signal}");
    }
}

#[test]
fn the_committed_samples_are_what_their_source_makes() {
    let mails = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails");
    let mut command = Command::new("python3");
    command.arg("-B").arg(mails.join("generate.py")).arg("--check");
    let mut check = Process::spawn(command);
    let code = check.exit_code();
    assert_eq!(code, Some(0), "{}{}", check.stdout.text(), check.stderr.text());
}
