//! Where the configuration comes from, and what is said when it cannot be used.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{Plugin, Process, Setup, complaints, guerrillad};

/// A directory with a config file of this text, given by name or not; exit code and complaints of `serve`.
#[track_caller]
fn refused(text: &str) -> String {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("wrong.json"), text).expect("our own directory");
    let mut process = guerrillad(dir.path(), ["serve", "-c", "wrong.json"]);
    assert_eq!(process.exit_code(), Some(78));
    let lines = complaints(&process.stderr);
    let [line] = &lines[..] else { panic!("not one line: {lines:?}") };
    line.clone()
}

/// `serve` in a network of its own, where every port is free; without one if this machine cannot give it.
fn serve_in_own_network(dir: &Path, args: &str) -> (Process, bool) {
    let own = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--net", "sh", "-c", command]).current_dir(dir);
        unshare
    };
    let possible = own("ip link set lo up").output().is_ok_and(|output| output.status.success());
    let serve = format!("exec {} serve {args}", env!("CARGO_BIN_EXE_guerrillad"));
    let command = if possible {
        own(&format!("ip link set lo up && {serve}"))
    } else {
        let mut shell = Command::new("sh");
        shell.args(["-c", &serve]).current_dir(dir);
        shell
    };
    (Process::spawn(command), possible)
}

#[test]
fn without_a_config_file_the_defaults_hold_and_are_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (mut process, own_network) = serve_in_own_network(dir.path(), "");
    process.stderr.wait_for("no config file (goguerrilla.conf.json): starting on the defaults");
    if own_network {
        process.stderr.wait_for("listening on 127.0.0.1:2525");
        process.stderr.wait_for(" ready");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(), Some(0));
    } else {
        // Somebody else on this machine may have the port; the attempt is the evidence then.
        process.stderr.wait_for("127.0.0.1:2525");
        eprintln!("no network namespace (unshare): only the attempt to listen was seen");
    }
}

#[test]
fn the_default_files_are_found_where_the_daemon_is_started() {
    let config = r#"{"servers": [{
        "is_enabled": true, "listen_interface": "127.0.0.1:0", "host_name": "found.example"
    }]}"#;
    for (name, warned) in [("goguerrilla.conf.json", 0), ("goguerrilla.conf", 1)] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join(name), config).expect("our own directory");
        let mut process = guerrillad(dir.path(), ["serve"]);
        process.stderr.wait_for(" as found.example");
        process.stderr.wait_for(" ready");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(), Some(0));
        let warnings = process.stderr.with("WARN");
        let about = warnings.iter().filter(|line| line.contains("goguerrilla.conf:")).count();
        assert_eq!(about, warned, "{warnings:?}");
    }
}

#[test]
fn a_named_file_that_cannot_be_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(dir.path().join("directory")).expect("our own directory");
    for name in ["missing.json", "directory"] {
        let mut process = guerrillad(dir.path(), ["serve", "-c", name]);
        assert_eq!(process.exit_code(), Some(78), "{name}");
        let lines = complaints(&process.stderr);
        assert!(lines.len() == 1 && lines[0].contains(name), "{lines:?}");
    }
    let secret = dir.path().join("secret.json");
    fs::write(&secret, "{}").expect("our own directory");
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).expect("our own file");
    // Root reads everything.
    if fs::read(&secret).is_err() {
        let mut process = guerrillad(dir.path(), ["serve", "-c", "secret.json"]);
        assert_eq!(process.exit_code(), Some(78));
        let lines = complaints(&process.stderr);
        assert!(lines.len() == 1 && lines[0].contains("secret.json"), "{lines:?}");
    }
}

#[test]
fn a_file_that_is_wrong() {
    for (text, parts) in [
        ("", &["wrong.json", "is empty"][..]),
        ("{\"log_level\": \"info\",}", &["wrong.json", "line 1 column"]),
        ("{\"servers\": {}}", &["wrong.json", "servers"]),
        (
            "{\"servers\": [{\"listen_interface\": \"127.0.0.1:0\", \"timeout\": \"soon\"}]}",
            &["wrong.json", "servers[0].timeout", "soon"],
        ),
        (
            "{\"servers\": [{\"listen_interface\": \"127.0.0.1\"}]}",
            &["servers[0].listen_interface"],
        ),
        (
            "{\"servers\": [{\"listen_interface\": \"127.0.0.1:0\", \"max_clients\": -1}]}",
            &["servers[0].max_clients", "-1"],
        ),
        (
            "{\"backend_config\": {\"gw_save_timeout\": \"30\"}}",
            &["backend_config.gw_save_timeout", "30"],
        ),
        ("{\"log_level\": \"loud\"}", &["wrong.json", "log_level", "loud"]),
    ] {
        let line = refused(text);
        for part in parts {
            assert!(line.contains(part), "\"{part}\" for {text} is not in: {line}");
        }
    }
}

#[test]
fn an_unknown_key_is_named_with_the_one_that_was_meant() {
    let daemon = Setup::without_plugins()
        .top("alowed_hosts", "x")
        .server("max_cleints", 3)
        .backend("gw_save_timout", "3s")
        .start();
    for (key, meant) in [
        ("alowed_hosts", "allowed_hosts"),
        ("max_cleints", "max_clients"),
        ("gw_save_timout", "gw_save_timeout"),
    ] {
        let line = daemon.log().wait_for(key);
        assert!(
            line.contains("WARN") && line.contains(&format!("did you mean \"{meant}\"?")),
            "{line}"
        );
    }
    daemon.stop();
}

#[test]
fn a_config_of_go_guerrilla_loads() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/go-guerrilla-sample.json");
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Its own pid file is a machine's, and its port is 25.
    let args = format!("-c '{}' -p pid", file.display());
    let (mut process, own_network) = serve_in_own_network(dir.path(), &args);
    for warning in [
        "log_level: given more than once",
        "servers[0].timeout: given more than once",
        "servers[0].tls.protocols: not offered any more",
    ] {
        let line = process.stderr.wait_for(warning);
        assert!(line.contains("WARN") && line.contains("go-guerrilla-sample.json"), "{line}");
    }
    let listening = process.stderr.wait_for("127.0.0.1:25");
    if own_network {
        assert!(listening.contains("listening on 127.0.0.1:25 as mail.test.com"), "{listening}");
        process.stderr.wait_for(" ready");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(), Some(0));
        assert_eq!(process.stderr.with("127.0.0.1:465").len(), 0, "that server is not enabled");
    }
}

#[test]
fn the_plugins_dir_of_the_config_is_used_and_the_flag_wins() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = |plugins: &str| {
        let text = serde_json::json!({
            "plugins_dir": plugins,
            "servers": [{ "is_enabled": true, "listen_interface": "127.0.0.1:0" }],
            "backend_config": { "save_process": "Header|Hello" },
        });
        fs::write(dir.path().join("c.json"), text.to_string()).expect("our own directory");
    };
    let plugins = dir.path().join("plugins");
    fs::create_dir(&plugins).expect("our own directory");
    fs::set_permissions(&plugins, Permissions::from_mode(0o755)).expect("our own directory");
    Plugin::Hello.install(&plugins);

    config("plugins");
    let process = guerrillad(dir.path(), ["serve", "-c", "c.json"]);
    process.stderr.wait_for("offers Hello");
    process.stderr.wait_for(" ready");

    config("nowhere");
    let mut process = guerrillad(dir.path(), ["serve", "-c", "c.json"]);
    assert_eq!(process.exit_code(), Some(78));
    process.stderr.wait_for("plugins directory nowhere: does not exist");

    let process = guerrillad(dir.path(), ["serve", "-c", "c.json", "--plugins-dir", "plugins"]);
    process.stderr.wait_for("offers Hello");
    process.stderr.wait_for(" ready");
}

#[test]
fn the_log_goes_where_it_is_told() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // A start that fails soon, with something to say.
    let run = |log_file: &str| {
        let text = serde_json::json!({
            "log_file": log_file,
            "log_format": "json",
            "servers": [{ "is_enabled": true, "listen_interface": "127.0.0.1:0" }],
            "backend_config": { "save_process": "Nobody" },
        });
        fs::write(dir.path().join("c.json"), text.to_string()).expect("our own directory");
        let mut process = guerrillad(dir.path(), ["serve", "-c", "c.json"]);
        assert_eq!(process.exit_code(), Some(78));
        process
    };
    let assert_logged = |log: &str| {
        for line in log.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect(line);
        }
        assert!(log.contains("\"level\":\"error\"") && log.contains("Nobody"), "{log}");
    };
    assert_logged(&run("stdout").stdout.text());
    let alone = run("daemon.log");
    assert_logged(&fs::read_to_string(dir.path().join("daemon.log")).expect("written"));
    assert_eq!(alone.stdout.text(), "");
    assert_eq!(complaints(&alone.stderr).len(), 1);
    let lines = complaints(&run("no/such/dir/log").stderr);
    assert!(lines.len() == 1 && lines[0].starts_with("log_file: cannot open no/such"), "{lines:?}");
}

#[test]
fn tls_that_cannot_be_served_is_refused_rather_than_left_out() {
    let (code, lines) = Setup::without_plugins()
        .server("tls", serde_json::json!({ "start_tls_on": true }))
        .refused();
    assert_eq!(code, Some(78), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("servers[0].tls")), "{lines:?}");
}

#[test]
fn more_clients_than_files_may_be_open() {
    let setup = Setup::without_plugins().server("max_clients", 1000).top("log_file", "off");
    let file = setup.write_config();
    let serve =
        format!("ulimit -n 500 && exec {} serve -c {file}", env!("CARGO_BIN_EXE_guerrillad"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &serve]);
    let mut process = Process::spawn(shell);
    assert_eq!(process.exit_code(), Some(78));
    let lines = complaints(&process.stderr);
    let [line] = &lines[..] else { panic!("not one line: {lines:?}") };
    for part in ["max_clients", "1000", "500", "ulimit -n"] {
        assert!(line.contains(part), "{part} in {line}");
    }
}
