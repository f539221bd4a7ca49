//! Files that load.

use std::fs;

use guerrilla_plugin_abi::{Blocking, Phase};

use super::fixtures::{Dirs, chmod, hello, patched};
use crate::plugins::checked::Checked;
use crate::plugins::private_copy::PrivateDir;
use crate::plugins::{Api, Digest, LoadError, LoadOptions, load_dir, scan};

#[test]
fn loads_a_plugin_and_leaves_no_copy() {
    let dirs = Dirs::with(&[("libhello.so", hello())]);
    let files = dirs.load().expect("loads");
    let [file] = &files[..] else { panic!("one file: {files:?}") };

    assert_eq!(file.path, dirs.plugins.path().canonicalize().expect("there").join("libhello.so"));
    assert_eq!(file.sha256, Digest::of(hello()));
    assert_eq!(file.generation, 1);
    assert_eq!(file.warnings, [""; 0]);
    assert_eq!(file.manifest.name, "hello-plugin");
    assert_eq!(file.manifest.api, Api { major: 1, minor: file.root.api_minor() });
    let [processor] = &file.manifest.processors[..] else { panic!("one processor") };
    assert_eq!(processor.name, "Hello");
    assert!(processor.answers_to("hELLO"));
    assert_eq!(processor.phases, [Phase::SAVE]);
    assert_eq!(processor.blocking, Blocking::NEVER);
    assert!(processor.config_schema.is_object());

    assert_eq!(fs::read_dir(dirs.runtime.path()).expect("there").count(), 0);
}

#[test]
fn each_load_is_an_instance_of_its_own() {
    let dirs = Dirs::with(&[("libhello.so", hello())]);
    let first = dirs.load().expect("loads");
    let second = dirs.load().expect("loads again");
    assert_ne!(first[0].root.manifest().as_ptr(), second[0].root.manifest().as_ptr());
}

#[test]
fn what_happens_to_the_file_later_does_not_matter() {
    let dirs = Dirs::with(&[("libhello.so", hello())]);
    let files = dirs.load().expect("loads");
    let before = files[0].root.manifest().to_string();
    dirs.put("libhello.so", b"");
    drop(dirs);
    assert_eq!(files[0].root.manifest().as_str(), before);
}

#[test]
fn a_file_that_changes_between_check_and_load_is_not_loaded() {
    let dirs = Dirs::with(&[("libhello.so", hello())]);
    let candidates = scan(dirs.plugins.path()).expect("scanned");
    let checked = Checked::of(&candidates[0]).expect("whole");
    dirs.put("libhello.so", &patched(hello(), "Adds an X-Hello", "Adds an X-Hullo"));
    let private = PrivateDir::create(Some(dirs.runtime.path())).expect("made");
    let error = checked.copy(&private, 1).expect_err("another file");
    assert_eq!(error.code(), "plugin.changed");
}

#[test]
fn only_plain_so_files_count_and_they_come_in_order() {
    let named = |name: &str| patched(hello(), "hello-plugin", name);
    // Written in another order than that of their names.
    let dirs = Dirs::with(&[
        ("zebra.so", &patched(&named("hello-plug-z"), "\"Hello\"", "\"HellZ\"")),
        ("adder.so", &patched(&named("hello-plug-a"), "\"Hello\"", "\"HellA\"")),
        (".hidden.so", b"half an upload"),
        ("README.md", b"text"),
        ("libold.so.bak", b"text"),
    ]);
    fs::create_dir(dirs.plugins.path().join("directory.so")).expect("made");
    let fifo = dirs.plugins.path().join("fifo.so");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");

    let files = dirs.load().expect("loads");
    let names: Vec<_> = files.iter().map(|file| file.manifest.name.as_str()).collect();
    assert_eq!(names, ["hello-plug-a", "hello-plug-z"]);
}

#[test]
fn an_empty_directory_is_no_error() {
    assert!(Dirs::new().load().expect("nothing to do").is_empty());
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_no_code_has_run() {
    let name = "hello-unrun1";
    let dirs = Dirs::with(&[
        ("a.so", b"text"),
        ("b.so", &hello()[..4096]),
        ("c.so", &patched(hello(), "hello-plugin", name)),
    ]);
    chmod(&dirs.put("d.so", hello()), 0o775);
    let errors = dirs.load().expect_err("three are bad");
    let codes: Vec<_> = errors.iter().map(LoadError::code).collect();
    assert_eq!(codes, ["plugin.not_elf", "plugin.truncated", "plugin.mode"]);
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    assert!(!maps.contains(name), "the good file was mapped");
}

#[test]
fn later_words_and_fields_are_let_pass_with_a_warning() {
    let newer = patched(hello(), "\"phases\":[\"save\"]", "\"phases\":[\"sign\"]");
    let dirs = Dirs::with(&[("libhello.so", &newer)]);
    let files = dirs.load().expect("loads");
    let [unknown, never] = &files[0].warnings[..] else { panic!("{:?}", files[0].warnings) };
    assert!(
        unknown.ends_with("phase 'sign' is not known to this host: it will not be asked there")
    );
    assert!(unknown.starts_with("plugin 'hello-plugin' (/"), "{unknown}");
    assert!(never.ends_with("processor 'Hello': has no phase and no event: never called"));
}

#[test]
fn the_runtime_directory_must_be_safe_and_there() {
    let dirs = Dirs::with(&[("libhello.so", hello())]);
    let error = |runtime_dir| {
        let options = LoadOptions { runtime_dir: Some(runtime_dir), ..LoadOptions::default() };
        load_dir(dirs.plugins.path(), &options).expect_err("refused").remove(0)
    };
    chmod(dirs.runtime.path(), 0o777);
    let refused = error(dirs.runtime.path());
    assert_eq!(refused.code(), "plugins_runtime_dir.mode");
    let dir = refused.path().display();
    assert_eq!(
        refused.to_string(),
        format!(
            "plugin runtime directory {dir}: mode 0777 lets others than its owner write, expected at most 0755: \
             chmod go-w it, or set plugins_runtime_dir to a directory of the daemon's own"
        )
    );

    chmod(dirs.runtime.path(), 0o1777);
    assert!(dirs.load().is_ok(), "as /tmp is");

    let refused = error(&dirs.runtime.path().join("missing"));
    assert_eq!(refused.code(), "plugins_runtime_dir.create");
}
