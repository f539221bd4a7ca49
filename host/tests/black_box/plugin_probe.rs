//! Plugin files that crash, hang or end the process that loads them: tried in a child process, so the daemon has a line
//! for each, and an exit code.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Plugin, Setup, build_in, guerrillad};

/// A file of `broken-plugins`, by the name of its example.
fn broken(example: &str) -> &'static Path {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let target = Path::new(env!("CARGO_BIN_EXE_guerrillad")).ancestors().nth(2);
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--message-format=json", "-p", "broken-plugins"]);
        command.args(["--examples", "--target-dir"]).arg(target.expect("target/debug/guerrillad"));
        build_in(&workspace, command)
    });
    &built[example]
}

fn install(setup: &Setup, example: &str) {
    let place = setup.plugins_dir().join(format!("{example}.so"));
    fs::copy(broken(example), &place).expect("our own directory");
    fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("our own file");
}

const ENDS: [(&str, &str, &str); 3] = [
    ("crashing_root", "crashing-root", "crashed a child process that tried it (SIGABRT)"),
    ("exiting_root", "exiting-root", "ended a child process that tried it (exit status 0)"),
    ("hanging_root", "hanging-root", "hung a child process that tried it for 5s"),
];

#[test]
fn each_is_refused_in_one_line() {
    for (example, name, what) in ENDS {
        let setup = Setup::new();
        install(&setup, example);
        let (code, complaints) = setup.refused();
        assert_eq!(code, Some(78), "{complaints:?}");
        let [line] = &complaints[..] else { panic!("not one line: {complaints:?}") };
        assert!(line.starts_with(&format!("plugin '{name}' (/")), "{line}");
        assert!(line.contains(&format!("/{example}.so): {what}, expected it to ")), "{line}");
    }
}

#[test]
fn all_of_them_are_told_at_once() {
    let setup = Setup::new();
    for (example, ..) in ENDS {
        install(&setup, example);
    }
    let (code, complaints) = setup.refused();
    assert_eq!(code, Some(78), "{complaints:?}");
    assert_eq!(complaints.len(), 3, "{complaints:?}");
    for ((.., what), line) in ENDS.iter().zip(&complaints) {
        assert!(line.contains(what), "{line}");
    }
}

/// What the loader has always said is said by the child, word by word.
#[test]
fn other_faults_are_named_as_ever() {
    for (example, what) in [
        ("no_header", "has a manifest but no plugin header; build it again with export_plugin!"),
        ("panicking_root", "its root cannot be made: "),
        ("undefined_symbol", "undefined symbol: guerrillad_function_that_nobody_has"),
        ("other_manifest", "its manifest differs between the code and the ELF note"),
        ("other_minor", "its API version differs between the code and the ELF note"),
    ] {
        let setup = Setup::new();
        install(&setup, example);
        let (code, complaints) = setup.refused();
        assert_eq!(code, Some(78), "{complaints:?}");
        let [line] = &complaints[..] else { panic!("not one line: {complaints:?}") };
        assert!(line.contains(what), "{line}");
    }
}

#[test]
fn the_command_behind_it_is_not_for_people() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut help = guerrillad(dir.path(), ["--help"]);
    assert_eq!(help.exit_code(), Some(0));
    assert!(!help.stdout.text().contains("probe"), "{}", help.stdout.text());
    let file = Plugin::Hello.file();
    let mut probe = guerrillad(dir.path(), ["__probe", file.to_str().expect("UTF-8")]);
    assert_eq!(probe.exit_code(), Some(0));
    probe.stdout.wait_for("guerrillad-report: {\"refusal\":null");
}
