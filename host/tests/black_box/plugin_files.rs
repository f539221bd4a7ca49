//! Files that are no plugins, or not ours to trust: the daemon does not start, says which file and why in one line,
//! and ends with 78. Chains that cannot be built: the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Plugin, Setup};

/// Starts with something wrong in the plugins directory; the one line that the command complains with.
#[track_caller]
fn refusal(spoil: impl FnOnce(&Path)) -> String {
    let setup = Setup::new();
    spoil(&setup.plugins_dir());
    one_complaint(setup)
}

#[track_caller]
fn one_complaint(setup: Setup) -> String {
    let (code, complaints) = setup.refused();
    assert_eq!(code, Some(78), "{complaints:?}");
    let [complaint] = &complaints[..] else { panic!("not one line: {complaints:?}") };
    complaint.clone()
}

#[track_caller]
fn assert_says(complaint: &str, parts: &[&str]) {
    for part in parts {
        assert!(complaint.contains(part), "\"{part}\" is not in: {complaint}");
    }
}

/// Installs a file with the mode of a good one.
fn put(dir: &Path, name: &str, content: &[u8]) {
    let path = dir.join(name);
    fs::write(&path, content).expect("our own directory");
    chmod(&path, 0o755);
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
}

#[test]
fn a_truncated_file() {
    let whole = fs::read(Plugin::Hello.file()).expect("built");
    for len in [64, whole.len() / 2, whole.len() - 1] {
        let line = refusal(|dir| put(dir, "cut.so", &whole[..len]));
        assert_says(&line, &["plugin file ", "/cut.so: is truncated", "copy it again"]);
    }
}

#[test]
fn files_that_are_something_else() {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    let libc = maps.split_whitespace().find(|word| word.contains("/libc.so")).expect("glibc");
    let foreign = fs::read(libc).expect("readable");
    let line = refusal(|dir| put(dir, "foreign.so", &foreign));
    assert_says(&line, &["/foreign.so: holds no plugin manifest", "export_plugin!"]);
    for content in [&b""[..], b"#!/bin/sh\n", b"\x7fELF"] {
        let line = refusal(|dir| put(dir, "text.so", content));
        assert_says(&line, &["plugin file ", "/text.so: is "]);
    }
}

#[test]
fn the_same_plugin_twice() {
    let setup = Setup::new();
    let content = fs::read(Plugin::MailDir.file()).expect("built");
    put(&setup.plugins_dir(), "another-maildir.so", &content);
    let (code, complaints) = setup.refused();
    assert_eq!(code, Some(78));
    let [plugin, processor] = &complaints[..] else { panic!("not two lines: {complaints:?}") };
    assert_says(processor, &["processor name 'MailDir' is also offered by", "another-maildir.so"]);
    assert_says(
        plugin,
        &["plugin name 'guerrilla-maildir' is also offered by", "remove one of them"],
    );
}

#[test]
fn files_and_directories_that_others_may_write() {
    let line = refusal(|dir| chmod(&dir.join("libmaildir.so"), 0o775));
    assert_says(&line, &["/libmaildir.so: mode 0775 lets others", "chmod go-w"]);
    let line = refusal(|dir| chmod(dir, 0o777));
    assert_says(&line, &["plugins directory ", ": mode 0777 lets others", "chmod go-w"]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let setup = Setup::new();
    put(&setup.plugins_dir(), "a.so", b"");
    put(&setup.plugins_dir(), "b.so", b"text");
    put(&setup.plugins_dir(), "ignored.txt", b"text");
    let (code, complaints) = setup.refused();
    assert_eq!(code, Some(78));
    let [a, b] = &complaints[..] else { panic!("not two lines: {complaints:?}") };
    assert_says(a, &["/a.so: is "]);
    assert_says(b, &["/b.so: is "]);
}

#[test]
fn a_directory_that_is_not_there() {
    let setup = Setup::without_plugins();
    fs::remove_dir(setup.plugins_dir()).expect("empty");
    assert_says(&one_complaint(setup), &["plugins directory ", "does not exist", "--plugins-dir"]);
}

#[test]
fn chains_that_cannot_be_built() {
    for (chain, parts) in [
        ("HeadersParser|MialDir", &["save_process", "\"MialDir\"", "did you mean MailDir?"][..]),
        ("Redis", &["save_process", "\"Redis\"", "plugins"]),
        ("", &["save_process", "empty"]),
        (" ", &["save_process", "empty"]),
        ("Header||MailDir", &["save_process", "element 2 is empty"]),
        ("Header|MailDir|", &["save_process", "element 3 is empty"]),
    ] {
        assert_says(&one_complaint(Setup::chain(chain)), parts);
    }
    let line = one_complaint(Setup::new().backend("connect_process", "MailDir"));
    assert_says(&line, &["connect_process", "MailDir", "takes no part in this phase"]);
    let line = one_complaint(Setup::new().backend("maildir_user_map", "test"));
    assert_says(&line, &["MailDir", "maildir_user_map"]);
}

/// A misspelt pin protects nothing, and nobody would notice.
#[test]
fn pins_and_allowed_names_that_name_nothing_are_warned_of() {
    let pins = serde_json::json!({"libmialdir.so": "0".repeat(64)});
    let allowed = ["guerrilla-maildir", "misbehaving-plugin", "redis"];
    let setup = Setup::new().top("plugins_sha256", pins).top("plugins_allow", allowed.to_vec());
    let daemon = setup.start();
    let warned = daemon.log().with(" in the plugins directory is named ");
    let [allow, pin] = &warned[..] else { panic!("not two lines: {warned:?}") };
    assert_says(allow, &["WARN", "plugins_allow: no plugin", "\"redis\"; correct it"]);
    assert_says(
        pin,
        &["WARN", "plugins_sha256: ", "\"libmialdir.so\"; did you mean \"libmaildir.so\"?"],
    );
    daemon.stop();
}
