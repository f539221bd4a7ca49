//! Files that must not load, each with its code and its line. None of them may end the process.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use guerrilla_plugin_abi::note;

use super::fixtures::{Dirs, broken, chmod, hello, libc, note_at, patched};
use crate::plugins::{LoadOptions, load_dir};

/// Code and line of the error that loading a file of this content ends in.
fn refusal(content: &[u8]) -> (&'static str, String) {
    refusal_in(&Dirs::with(&[("x.so", content)]))
}

/// The same for the one file of a directory. Its path is shown as `FILE`.
fn refusal_in(dirs: &Dirs) -> (&'static str, String) {
    let error = dirs.refusal();
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    let path = error.path().to_str().expect("UTF-8");
    assert!(line.contains(path), "{line} does not name {path}");
    (error.code(), line.replace(path, "FILE"))
}

#[track_caller]
fn assert_refused(content: &[u8], code: &str, line: &str) {
    let (found, told) = refusal(content);
    assert_eq!((found, told.as_str()), (code, line));
}

/// The plugin with some of its bytes replaced.
fn with_bytes(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = hello().to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn files_that_are_something_else() {
    let not_elf = "plugin file FILE: is not an ELF file; remove it, or build it as a cdylib";
    assert_refused(b"", "plugin.not_elf", not_elf);
    assert_refused(b"#!/bin/sh\n", "plugin.not_elf", not_elf);
    assert_refused(
        &with_bytes(16, &2_u16.to_ne_bytes()),
        "plugin.not_elf",
        "plugin file FILE: is ELF type 2, expected 3 (shared object); build it as a cdylib",
    );
    assert_refused(
        &libc(),
        "plugin.no_manifest",
        "plugin file FILE: holds no plugin manifest; it is no guerrillad plugin (a plugin is built with \
         guerrilla-plugin-api and export_plugin!)",
    );
}

#[test]
fn files_for_another_machine() {
    let arch = std::env::consts::ARCH;
    let build = format!("build it for this machine ({arch})");
    let line = |what: &str| format!("plugin file FILE: {what}; {build}");
    assert_refused(
        &with_bytes(4, &[1]),
        "plugin.machine",
        &line("is ELF class 1, expected 2 (64 bits)"),
    );
    let other_order = if cfg!(target_endian = "big") { 1 } else { 2 };
    assert_refused(
        &with_bytes(5, &[other_order]),
        "plugin.machine",
        &line("has the other byte order"),
    );
    assert_refused(
        &with_bytes(18, &8_u16.to_ne_bytes()),
        "plugin.machine",
        &format!(
            "plugin file FILE: is built for machine 0x0008, this host runs on {arch}; build it for this machine"
        ),
    );
}

#[test]
fn a_truncated_file_is_never_mapped() {
    let dirs = Dirs::new();
    let file = File::options().write(true).open(dirs.put("x.so", hello())).expect("ours");
    let shorter = (1..hello().len() as u64 / 4096).rev().map(|page| page * 4096);
    for len in [hello().len() as u64 - 1].into_iter().chain(shorter).chain([64]) {
        file.set_len(len).expect("ours");
        let (code, line) = refusal_in(&dirs);
        assert_eq!(code, "plugin.truncated", "at {len}: {line}");
    }
    assert_refused(
        &hello()[..4096],
        "plugin.truncated",
        "plugin file FILE: is truncated: its segments reach past the end of the file; copy it again, under \
         another name, and rename it into place",
    );
}

#[test]
fn a_note_that_lies_about_its_lengths() {
    let at = note_at(hello());
    for lie in [u32::MAX, i32::MAX as u32, 1 << 28] {
        for field in [0, 4] {
            let (code, line) = refusal(&with_bytes(at + field, &lie.to_ne_bytes()));
            assert_eq!(code, "plugin.damaged", "{line}");
        }
    }
    let another_type = (note::TYPE_MANIFEST + 1).to_ne_bytes();
    assert_eq!(refusal(&with_bytes(at + 8, &another_type)).0, "plugin.no_manifest");
}

#[test]
fn a_manifest_that_cannot_be_read() {
    let (code, line) = refusal(&patched(hello(), "{\"schema\"", "{ schema\""));
    assert_eq!(code, "plugin.manifest", "{line}");
    assert!(line.contains("a manifest that cannot be read: key must be a string"), "{line}");
    let (code, line) = refusal(&patched(hello(), "\"panic\"", "\"manic\""));
    assert_eq!(code, "plugin.manifest", "{line}");
    let begin =
        "plugin 'hello-plugin' (FILE): has a manifest that cannot be read: missing field `panic`";
    assert!(line.starts_with(begin), "{line}");
}

#[test]
fn manifests_of_another_time() {
    assert_refused(
        &patched(hello(), "\"api\":\"1.0\"", "\"api\":\"2.0\""),
        "plugin.api",
        "plugin 'hello-plugin' (FILE): built for plugin API 2.0, this host offers 1.0; rebuild it with \
         guerrilla-plugin-api 1.x",
    );
    assert_refused(
        &patched(hello(), "\"schema\":1,", "\"schema\":2,"),
        "plugin.schema",
        "plugin 'hello-plugin' (FILE): has a manifest of schema 2, this host reads 1; rebuild it with \
         guerrilla-plugin-api 1.x, or use a newer host",
    );
    assert_refused(
        &patched(hello(), "\"panic\":\"unwind\"", "\"panic\":\"abort\" "),
        "plugin.panic_abort",
        "plugin 'hello-plugin' (FILE): built with panic=abort: a panic in it would end the daemon; rebuild it \
         with panic=\"unwind\"",
    );
}

#[test]
fn code_that_is_not_what_the_note_says() {
    let again = "build it again with export_plugin!";
    let rebuild = "rebuild it with guerrilla-plugin-api 1.x";
    let differs = |what| format!("its {what} differs between the code and the ELF note; {again}");
    for (example, code, what) in [
        ("abort_in_code", "plugin.disagrees", differs("panic mode")),
        ("other_manifest", "plugin.disagrees", differs("manifest")),
        ("other_minor", "plugin.disagrees", differs("API version")),
        ("no_header", "plugin.no_header", format!("has a manifest but no plugin header; {again}")),
        (
            "other_header",
            "plugin.header",
            format!("its plugin header is not usable: it is not one of abi_stable; {rebuild}"),
        ),
        (
            "hidden_layout",
            "plugin.layout_hidden",
            "hides the layout of its border types, expected it to be checkable; build it with export_plugin!"
                .to_owned(),
        ),
        (
            "other_layout",
            "plugin.layout",
            format!(
                "its border types differ from this host's: package broken-plugins, expected \
                 guerrilla-plugin-abi; {rebuild}"
            ),
        ),
        (
            "panicking_root",
            "plugin.root",
            "its root cannot be made: the root module loader panicked; build it with export_plugin!"
                .to_owned(),
        ),
        (
            "undefined_symbol",
            "plugin.dlopen",
            "cannot be loaded: undefined symbol: guerrillad_function_that_nobody_has; install what is missing, \
             or build it on the oldest system it is to run on"
                .to_owned(),
        ),
    ] {
        let name = example.replace('_', "-");
        assert_refused(&broken(example), code, &format!("plugin '{name}' (FILE): {what}"));
    }
}

#[test]
fn names_that_are_offered_twice() {
    let same_plugin = patched(hello(), "\"Hello\"", "\"Hallo\"");
    let same_processor =
        patched(&patched(hello(), "hello-plugin", "other-plugin"), "\"Hello\"", "\"hELLO\"");
    let dirs = Dirs::with(&[("a.so", hello()), ("b.so", &same_plugin), ("c.so", &same_processor)]);
    let dir = dirs.plugins.path().canonicalize().expect("there");
    let errors = dirs.load().expect_err("refused");
    let lines: Vec<_> = errors
        .iter()
        .map(|error| {
            assert_eq!(error.code(), "plugin.duplicate");
            error.to_string().replace(dir.to_str().expect("UTF-8"), "DIR")
        })
        .collect();
    assert_eq!(
        lines,
        [
            "plugin 'hello-plugin' (DIR/b.so): plugin name 'hello-plugin' is also offered by DIR/a.so, expected \
             one file per name; remove one of them",
            "plugin 'other-plugin' (DIR/c.so): processor name 'hELLO' is also offered by DIR/a.so, expected one \
             file per name; remove one of them",
        ]
    );
}

#[test]
fn a_name_of_the_host_is_taken() {
    let dirs = Dirs::with(&[("x.so", hello())]);
    let errors = dirs.load_beside(&["Header", "HELLO"]).expect_err("refused");
    let [error] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(error.code(), "plugin.duplicate");
    let line = error.to_string();
    assert!(line.contains("processor name 'Hello' is also offered by guerrillad itself"), "{line}");
}

#[test]
fn files_that_others_may_write() {
    for mode in [0o775, 0o757] {
        let dirs = Dirs::new();
        chmod(&dirs.put("x.so", hello()), mode);
        let line = format!(
            "plugin file FILE: mode {mode:04o} lets others than its owner write, expected at most 0755: chmod \
             go-w it"
        );
        assert_eq!(refusal_in(&dirs), ("plugin.mode", line));
    }
}

#[test]
fn symbolic_links() {
    let dirs = Dirs::new();
    let target = dirs.runtime.path().join("x.so");
    fs::write(&target, hello()).expect("written");
    symlink(&target, dirs.plugins.path().join("x.so")).expect("linked");
    let line = "plugin file FILE: is a symbolic link, expected a regular file; put the file itself (or a hard \
                link) there";
    assert_eq!(refusal_in(&dirs), ("plugin.symlink", line.to_owned()));
}

#[test]
fn directories_that_cannot_be_used() {
    let dirs = Dirs::with(&[("x.so", hello())]);
    let refusal = |dir: &std::path::Path| {
        let errors = load_dir(dir, &LoadOptions::default()).expect_err("refused");
        let [error] = &errors[..] else { panic!("{errors:?}") };
        let path = error.path().to_str().expect("UTF-8");
        (error.code(), error.to_string().replace(path, "DIR"))
    };
    let told = |code, what: &str| (code, format!("plugins directory DIR: {what}"));
    assert_eq!(
        refusal(&dirs.plugins.path().join("missing")),
        told("plugins_dir.missing", "does not exist; make it or correct --plugins-dir")
    );
    assert_eq!(
        refusal(&dirs.plugins.path().join("x.so")),
        told(
            "plugins_dir.not_a_directory",
            "is not a directory; name the directory that holds the .so files"
        )
    );
    chmod(dirs.plugins.path(), 0o1777);
    assert_eq!(
        refusal(dirs.plugins.path()),
        told(
            "plugins_dir.mode",
            "mode 1777 lets others than its owner write, expected at most 0755: chmod go-w it"
        )
    );
}
