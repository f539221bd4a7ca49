//! `guerrillad plugins`: what tries files, starts new ones, shows the order and measures.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Control, Plugin, Process, Setup, build_in, complaints, guerrillad};

/// Runs a command to its end; exit code and process.
#[track_caller]
fn run(dir: &Path, args: &[&str]) -> (Option<i32>, Process) {
    let mut process = guerrillad(dir, [&["plugins"], args].concat());
    (process.exit_code(), process)
}

#[track_caller]
fn succeeded(dir: &Path, args: &[&str]) -> String {
    let (code, process) = run(dir, args);
    assert_eq!(code, Some(0), "{args:?}");
    process.stdout.text()
}

#[track_caller]
fn complaint(dir: &Path, args: &[&str], expected: i32) -> String {
    let (code, process) = run(dir, args);
    assert_eq!(code, Some(expected), "{args:?}");
    let mut lines = complaints(&process.stderr);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// An installed file of a setup: what is in the build directory may belong to a group that can write.
fn installed(setup: &Setup, plugin: Plugin) -> PathBuf {
    plugin.install(&setup.plugins_dir())
}

#[test]
fn verify_without_a_config() {
    let setup = Setup::without_plugins();
    let file = installed(&setup, Plugin::Hello);
    let said = succeeded(setup.dir(), &["verify", text(&file)]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(said, format!("plugin       hello-plugin {version}\nloads        yes\n"));
}

/// The daemon would refuse the link itself; a linked directory it takes.
#[test]
fn verify_takes_no_link_for_the_file_it_leads_to() {
    let setup = Setup::without_plugins();
    let file = installed(&setup, Plugin::Hello);
    let link = setup.plugins_dir().join("link.so");
    symlink(&file, &link).expect("our own directory");
    let line = complaint(setup.dir(), &["verify", text(&link)], 1);
    assert!(line.contains("link.so") && line.contains("is a symbolic link"), "{line}");
    symlink(setup.plugins_dir(), setup.dir().join("linked")).expect("our own directory");
    succeeded(setup.dir(), &["verify", "linked/libhello_plugin.so"]);
}

#[test]
fn verify_creates_what_a_chain_names() {
    let setup = Setup::chain("Header|Recorder|MailDir");
    let config = setup.write_config();
    let file = setup.plugins_dir().join("libmisbehaving_plugin.so");
    let said = succeeded(setup.dir(), &["verify", text(&file), "--config", &config]);
    assert!(said.contains("processor    Recorder: can be created\n"), "{said}");
    assert!(said.contains("processor    PanicsInCreate: in no chain, not created\n"), "{said}");
    assert!(!setup.dir().join("record").exists(), "it was started");
}

#[test]
fn verify_says_what_is_wrong_with_the_settings() {
    let setup = Setup::new().backend("maildir_user_map", "test");
    let config = setup.write_config();
    let file = setup.plugins_dir().join("libmaildir.so");
    let line = complaint(setup.dir(), &["verify", text(&file), "-c", &config], 1);
    assert!(line.starts_with("processor MailDir: ") && line.contains("maildir_user_map"), "{line}");
    let missing = complaint(setup.dir(), &["verify", text(&file), "-c", "missing.json"], 78);
    assert!(missing.contains("missing.json"), "{missing}");
}

/// A section with `use` has settings of its own: what `serve` refuses, `verify` must not call good.
#[test]
fn verify_and_serve_give_a_section_the_same_settings() {
    let section =
        serde_json::json!({"archive": {"use": "MailDir", "maildir_user_map": "test=-1:-1"}});
    let setup = Setup::chain("Header|archive").backend("processors", section);
    let config = setup.write_config();
    let file = setup.plugins_dir().join("libmaildir.so");
    let line = complaint(setup.dir(), &["verify", text(&file), "-c", &config], 1);
    assert!(line.contains("maildir_path"), "{line}");
    let (code, complaints) = setup.refused();
    assert_eq!(code, Some(78));
    assert!(complaints[0].contains("maildir_path"), "{complaints:?}");
}

#[test]
fn verify_survives_what_is_verified() {
    let setup = Setup::chain("PanicsInCreate");
    let config = setup.write_config();
    let file = setup.plugins_dir().join("libmisbehaving_plugin.so");
    let line = complaint(setup.dir(), &["verify", text(&file), "-c", &config], 1);
    assert!(line.contains("processor PanicsInCreate: panicked in create"), "{line}");
    let broken = setup.plugins_dir().join("broken.so");
    fs::write(&broken, "text").expect("our own directory");
    let line = complaint(setup.dir(), &["verify", text(&broken)], 1);
    assert!(line.contains("/broken.so: is "), "{line}");
}

#[test]
fn order_of_the_chains() {
    let control = Control::new();
    let setup = Setup::chain("HeadersParser|recorder|MailDir")
        .backend("connect_process", "Hangs")
        .control(&control);
    let (config, dir) = (setup.write_config(), setup.plugins_dir());
    let args = ["order", "-c", &config, "--plugins-dir", text(&dir)];
    let said = succeeded(setup.dir(), &args);
    let lines: Vec<Vec<&str>> =
        said.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected: [&[&str]; 11] = [
        &["connect_process"],
        &["1", "Hangs", "in", "its", "pool", "misbehaving-plugin"],
        &["helo_process"],
        &["nobody", "is", "asked"],
        &["mail_process"],
        &["nobody", "is", "asked"],
        &["validate_process"],
        &["nobody", "is", "asked"],
        &["save_process"],
        &["1", "HeadersParser", "inline", "built-in"],
        &["2", "Recorder", "in", "its", "pool", "misbehaving-plugin"],
    ];
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected:?} in\n{said}");
    }
    assert!(lines[11].starts_with(&["3", "MailDir"]), "{said}");
}

#[test]
fn order_of_chains_that_cannot_be_built() {
    let setup = Setup::chain("Header|MialDir");
    let (config, dir) = (setup.write_config(), setup.plugins_dir());
    let args = ["order", "-c", &config, "--plugins-dir", text(&dir)];
    let line = complaint(setup.dir(), &args, 1);
    assert_eq!(line, "save_process: there is no processor \"MialDir\"");
    let setup = Setup::new().backend("helo_process", "MailDir");
    let (config, dir) = (setup.write_config(), setup.plugins_dir());
    let args = ["order", "-c", &config, "--plugins-dir", text(&dir)];
    let line = complaint(setup.dir(), &args, 1);
    assert!(line.starts_with("helo_process: MailDir (guerrilla-maildir "), "{line}");
}

#[test]
fn bench_measures_calls() {
    let setup = Setup::without_plugins();
    let file = installed(&setup, Plugin::Hello);
    let said = succeeded(setup.dir(), &["bench", text(&file), "--processor", "hello"]);
    let words: Vec<&str> = said.split_whitespace().collect();
    let ["Hello", "save", nanoseconds, "ns", "per", "call", ..] = words[..] else {
        panic!("{said}");
    };
    // Even unoptimised on a busy machine: a millisecond for a header field is a fault.
    assert!((1..1_000_000).contains(&nanoseconds.parse().expect("a number")), "{said}");
    assert!(said.ends_with("answers continue\n"), "{said}");
    let line = complaint(setup.dir(), &["bench", text(&file), "--processor", "Other"], 64);
    assert_eq!(line, "hello-plugin offers only Hello");
}

#[test]
fn new_writes_a_crate_that_builds_passes_its_test_and_loads() {
    let setup = Setup::without_plugins();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let api = repository.join("plugin-api");
    let said = succeeded(setup.dir(), &["new", "size-cap", "--api", text(&api)]);
    assert!(said.starts_with("size-cap/ is ready: "), "{said}");
    let dir = setup.dir().join("size-cap");
    // What others have published is at hand without a network by this checkout's lock file.
    fs::copy(repository.join("Cargo.lock"), dir.join("Cargo.lock")).expect("there");
    let cargo = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(args).args(["--quiet", "--offline", "--target-dir"]).arg(dir.join("target"));
        command
    };
    let tested = cargo(&["test", "--lib"]).current_dir(&dir).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success(), "{said}{}", String::from_utf8_lossy(&tested.stderr));
    assert!(said.contains("2 passed"), "{said}");
    let built = build_in(&dir, cargo(&["build", "--message-format=json"]));
    let file = setup.plugins_dir().join("libsize_cap.so");
    fs::copy(&built["size_cap"], &file).expect("our own directory");
    assert!(succeeded(setup.dir(), &["inspect", text(&file)]).contains("size_cap_max_recipients"));

    let setup_config = |most: u32| {
        let setup = Setup::without_plugins().backend("save_process", "HeadersParser|SizeCap");
        setup.backend("size_cap_max_recipients", most)
    };
    // Where the Debian package, its unit and the container look for it.
    let readme = fs::read_to_string(dir.join("README.md")).expect("written");
    assert!(readme.contains("libsize_cap.so /usr/lib/guerrillad/plugins/ "), "{readme}");
    let (good, bad) = (setup_config(3), setup_config(0));
    let verify = ["verify", text(&file), "-c", &good.write_config()];
    let said = succeeded(setup.dir(), &verify);
    assert!(said.contains("SizeCap: can be created"), "{said}");
    let line = complaint(setup.dir(), &["verify", text(&file), "-c", &bad.write_config()], 1);
    assert!(line.contains("size_cap_max_recipients: expected at least 1, found 0"), "{line}");
}

#[test]
fn new_overwrites_nothing_and_wants_a_name() {
    let setup = Setup::without_plugins();
    fs::create_dir(setup.dir().join("mine")).expect("our own directory");
    fs::write(setup.dir().join("mine/Cargo.toml"), "precious").expect("our own directory");
    let line = complaint(setup.dir(), &["new", "mine"], 1);
    assert_eq!(line, "mine: is there already; choose another name or remove it");
    let kept = fs::read_to_string(setup.dir().join("mine/Cargo.toml")).expect("there");
    assert_eq!(kept, "precious");
    for name in ["../escape", "With-Capitals", "1st", ""] {
        let line = complaint(setup.dir(), &["new", name], 64);
        assert!(line.contains("is no name for a plugin"), "{line}");
    }
    for api in ["nowhere", "mine"] {
        let line = complaint(setup.dir(), &["new", "other", "--api", api], 64);
        assert!(line.starts_with(&format!("--api {api}: ")), "{line}");
        assert!(line.ends_with("; name the directory plugin-api of a checkout"), "{line}");
    }
    assert!(!setup.dir().join("other").exists());
    succeeded(setup.dir(), &["new", "other"]);
    let manifest = fs::read_to_string(setup.dir().join("other/Cargo.toml")).expect("written");
    assert!(manifest.contains("\nguerrilla-plugin-api = \"1\"\n"), "{manifest}");
}

#[test]
fn every_command_explains_itself() {
    let setup = Setup::without_plugins();
    let all = succeeded(setup.dir(), &["--help"]);
    for (command, word) in [
        ("list", "without running them"),
        ("inspect", "without running it"),
        ("verify", "Nothing is started"),
        ("order", "runs none of them"),
        ("new", "Nothing is overwritten"),
        ("bench", "The calls are real"),
    ] {
        assert!(all.contains(command), "{all}");
        let help = succeeded(setup.dir(), &[command, "--help"]);
        assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains(word), "{help}");
    }
}
