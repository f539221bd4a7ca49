//! Log files: moved, opened anew, and one for each server.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::support::Setup;

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

#[test]
fn the_log_moves_and_changes_its_level() {
    let daemon = Setup::new().start();
    let path = daemon.dir().join("daemon.log");
    daemon.edit(|config| {
        config["log_file"] = path.to_str().expect("UTF-8").into();
        config["log_level"] = "info".into();
        config["servers"][0]["log_file"] = "stderr".into();
    });
    daemon.signal(Signal::SIGHUP);
    let log = wait_for_line(&path, "reloaded, ");
    for change in ["log_file", "log_level", "new_config"] {
        assert!(log.contains(&format!("INFO  config_change:{change}\n")), "{log}");
    }
    daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    // The server has a log of its own.
    let line = daemon.log().wait_for("from=<a@example.com>");
    assert!(line.contains(" message "), "{line}");
    assert!(!fs::read_to_string(&path).expect("there").contains("a@example.com"));
    daemon.stop();
}

/// In JSON each of the facts of a line is a member.
#[test]
fn why_a_connection_has_ended_is_a_member_in_json() {
    let daemon = Setup::without_plugins().start();
    daemon.edit(|config| config["log_format"] = "json".into());
    daemon.signal(Signal::SIGHUP);
    daemon.log().wait_for("reloaded, ");
    daemon.client().expect("QUIT", "221 ");
    let line = daemon.log().wait_for("\"message\":\"closed\"");
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["reason"], &line["error"]), (&"Quit".into(), &serde_json::Value::Null));
    daemon.stop();
}

/// Waits until a line of a file contains a text; the file.
#[track_caller]
fn wait_for_line(path: &std::path::Path, text: &str) -> String {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    loop {
        let found = fs::read_to_string(path).unwrap_or_default();
        if found.lines().any(|line| line.contains(text)) {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "no \"{text}\" in:\n{found}");
        std::thread::yield_now();
    }
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    let setup = Setup::new();
    let [log, own] = ["daemon.log", "server.log"].map(|name| setup.dir().join(name));
    let [log_text, own_text] = [&log, &own].map(|path| path.to_str().expect("UTF-8").to_owned());
    let daemon = setup.start();
    daemon.edit(|config| {
        config["log_file"] = log_text.into();
        config["servers"][0]["log_file"] = own_text.into();
    });
    daemon.signal(Signal::SIGHUP);
    wait_for_line(&log, "reloaded, ");
    for path in [&log, &own] {
        fs::rename(path, path.with_extension("1")).expect("ours");
    }
    daemon.signal(Signal::SIGUSR1);
    wait_for_line(&log, "log files opened anew");
    daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    wait_for_line(&own, "from=<a@example.com>");
    daemon.stop();
}

/// What a stage does behind the reply belongs to the message, and so to the log of its server.
#[test]
fn a_server_s_log_has_what_comes_behind_the_reply() {
    let setup = Setup::chain("PanicsInEvents");
    let own = setup.dir().join("server.log");
    let daemon = setup.server("log_file", own.to_str().expect("UTF-8")).start();
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    wait_for_line(&own, "PanicsInEvents: settled: ");
    daemon.stop();
}

/// A quoted local part may hold blanks: what stands behind them is no field.
#[test]
fn a_client_puts_no_field_into_a_line() {
    let daemon = Setup::new().start();
    let mut client = daemon.client();
    let from = r#""x> to=<ceo@bank.example> remote=8.8.8.8 size=1 <y"@example.com"#;
    let reply = client.mail(from, &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let line = daemon.log().wait_for(" message accepted ");
    for (field, value) in [("to", "<test@example.test>"), ("remote", "127.0.0.1")] {
        let values = line.split(&format!(" {field}=")).skip(1).collect::<Vec<_>>();
        let [found] = values[..] else { panic!("{field} more than once in {line}") };
        assert!(found.starts_with(&format!("{value} ")), "{field} in {line}");
    }
    assert!(
        line.contains(r#" from="<\"x> to\u{3d}<ceo@bank.example> remote\u{3d}8.8.8.8 "#),
        "{line}"
    );
    daemon.stop();
}

/// The snippet of `contrib`, by the real logrotate: nothing is lost, and new lines go into the new file. Root does nothing that the
/// service's account could choose: neither the files nor the process.
#[test]
fn logrotate_by_our_snippet() {
    let setup = Setup::new();
    let log = setup.dir().join("daemon.log");
    let daemon = setup.top("log_file", log.to_str().expect("UTF-8")).spawned();
    wait_for_line(&log, " ready");
    let snippet = concat!(env!("CARGO_MANIFEST_DIR"), "/../contrib/guerrillad.logrotate");
    let snippet = fs::read_to_string(snippet).expect("there");
    let account = format!("    su {} {}\n", owner_name("u"), owner_name("g"));
    let ours = snippet
        .replace("/var/log/guerrillad/*.log", log.to_str().expect("UTF-8"))
        .replace("    su guerrillad guerrillad\n", &account);
    assert!(ours.contains(&account), "{ours}");
    let rules = daemon.dir().join("logrotate.conf");
    fs::write(&rules, ours).expect("our own directory");
    // The service manager's part: it knows the process.
    let systemctl = daemon.dir().join("systemctl");
    let kill = "--signal=USR1 --kill-who=main guerrillad.service";
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n'--quiet is-active guerrillad.service') ;;\n'kill {kill}') kill -USR1 {} ;;\n*) exit 1 ;;\nesac\n",
        daemon.pid()
    );
    fs::write(&systemctl, script).expect("our own directory");
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).expect("our own file");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", daemon.dir().display());
    let mut rotate = std::process::Command::new("/usr/sbin/logrotate");
    rotate.env("PATH", path);
    rotate.arg("--force").arg("--state").arg(daemon.dir().join("state")).arg(&rules);
    let rotated = rotate.status().expect("logrotate runs (Debian package logrotate)");
    assert!(rotated.success());
    let new = wait_for_line(&log, "log files opened anew");
    let old = fs::read_to_string(log.with_extension("log.1")).expect("moved away");
    assert!(old.contains(" ready") && !new.contains(" ready"), "{new}");
    daemon.stop();
}

/// The name of the user (`u`) or group (`g`) that the tests run as.
fn owner_name(which: &str) -> String {
    let mut id = std::process::Command::new("id");
    let output = id.arg(format!("-n{which}")).output().expect("id runs");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}
