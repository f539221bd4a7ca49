//! The commands and their flags: what they print, what they refuse, with which exit code.

use std::fs;
use std::path::Path;

use crate::support::{Plugin, Process, Setup, complaints, guerrillad};

/// A finished command.
struct Finished {
    code: Option<i32>,
    process: Process,
}

#[track_caller]
fn run(args: &[&str]) -> Finished {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut process = guerrillad(dir.path(), args);
    Finished { code: process.exit_code(), process }
}

impl Finished {
    #[track_caller]
    fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0));
        self.process.stdout.text()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A directory with the example plugin in it.
fn plugins() -> Setup {
    let setup = Setup::without_plugins();
    Plugin::Hello.install(&setup.plugins_dir());
    setup
}

#[test]
fn version() {
    let line = run(&["version"]).succeeded();
    assert_eq!(line, format!("guerrillad {} (plugin API 1.0)\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line() {
    for args in [&["serve", "--no-such-flag"][..], &["no-such-command"], &["serve", "-c"]] {
        let finished = run(args);
        assert_eq!(finished.code, Some(64), "{args:?}");
        finished.process.stderr.wait_for("try '--help'");
        assert_eq!(finished.process.stdout.text(), "", "{args:?}");
    }
    let help = run(&["--help"]).succeeded();
    for command in ["serve", "version", "plugins"] {
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn plugins_are_listed() {
    let setup = plugins();
    Plugin::Misbehaving.install(&setup.plugins_dir());
    let dir = setup.plugins_dir();
    let list = ["plugins", "list", "--plugins-dir", text(&dir)];
    let table = run(&list).succeeded();
    let row = table.lines().find(|line| line.starts_with("hello-plugin")).expect(&table);
    for word in [env!("CARGO_PKG_VERSION"), "1.0", "ok", "Hello"] {
        assert!(row.split_whitespace().any(|found| found == word), "{word} in {row}");
    }
    let json = run(&[&list[..], &["--json"]].concat()).succeeded();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(json.to_string().contains("\"hello-plugin\""), "{json}");
    assert!(json.to_string().contains("\"misbehaving-plugin\""), "{json}");
}

#[test]
fn a_plugin_is_inspected() {
    let setup = plugins();
    let file = setup.plugins_dir().join("libhello_plugin.so");
    let about = run(&["plugins", "inspect", text(&file)]).succeeded();
    for part in ["hello-plugin", "Hello", "Adds an X-Hello header field", "save", "sha256"] {
        assert!(about.contains(part), "{part} in {about}");
    }
    let json = run(&["plugins", "inspect", "--json", text(&file)]).succeeded();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["manifest"]["processors"][0]["name"], "Hello");
    assert_eq!(json["problems"], serde_json::json!([]));
}

#[test]
fn a_file_that_would_not_load_is_told_of() {
    let setup = plugins();
    let dir = setup.plugins_dir();
    fs::write(dir.join("broken.so"), "text").expect("our own directory");
    let listed = run(&["plugins", "list", "--plugins-dir", text(&dir)]);
    assert_eq!(listed.code, Some(1));
    let table = listed.process.stdout.text();
    assert!(table.contains("broken.so") && table.contains("hello-plugin"), "{table}");
    let inspected = run(&["plugins", "inspect", text(&dir.join("broken.so"))]);
    assert_ne!(inspected.code, Some(0));
    let missing = run(&["plugins", "inspect", text(&dir.join("missing.so"))]);
    assert_eq!(missing.code, Some(78));
    let lines = complaints(&missing.process.stderr);
    assert!(lines.len() == 1 && lines[0].contains("missing.so"), "{lines:?}");
    let nowhere = run(&["plugins", "list", "--plugins-dir", text(&dir.join("missing"))]);
    assert_eq!(nowhere.code, Some(78));
    let lines = complaints(&nowhere.process.stderr);
    assert!(lines.len() == 1 && lines[0].contains("does not exist"), "{lines:?}");
}

/// What packages are made with: nothing is left out, and hidden commands stay hidden.
#[test]
fn man_pages_and_completions() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let into = dir.path().join("made");
    assert_eq!(run(&["generate", text(&into)]).code, Some(0));
    let mut names: Vec<_> = fs::read_dir(&into)
        .expect("made")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    for expected in ["_guerrillad", "guerrillad.bash", "guerrillad.fish", "guerrillad.8"] {
        assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
    }
    assert!(names.contains(&"guerrillad-serve.8".to_owned()), "{names:?}");
    assert!(names.contains(&"guerrillad-plugins-list.8".to_owned()), "{names:?}");
    for name in &names {
        let made = fs::read_to_string(into.join(name)).expect("a text");
        assert!(!made.contains("__probe") || !name.ends_with(".8"), "{name}:\n{made}");
        assert!(["probe", "generate", "help"].iter().all(|part| !name.contains(part)), "{names:?}");
    }
    let page = fs::read_to_string(into.join("guerrillad.8")).expect("there");
    assert!(page.contains("guerrillad\\-plugins(8)") && page.contains("Exit status: 0"), "{page}");
    let nowhere = run(&["generate", "/proc/nowhere"]);
    assert_eq!(nowhere.code, Some(1));
    assert_eq!(complaints(&nowhere.process.stderr).len(), 1);
}

#[test]
fn verbose_logs_more_than_the_config_says() {
    for (flag, expected) in [(None, 0), (Some("-v"), 1)] {
        let setup = Setup::without_plugins().top("log_level", "info");
        let daemon = flag.into_iter().fold(setup, Setup::flag).start();
        let mut client = daemon.client();
        client.expect("QUIT", "221 ");
        client.expect_end();
        let log = daemon.log().clone();
        daemon.stop();
        assert_eq!(
            log.with("DEBUG ").iter().filter(|line| line.contains(" opened ")).count(),
            expected
        );
    }
}
