//! What is said about files that are not run.

use std::fs;
use std::os::unix::fs::symlink;

use super::fixtures::{Dirs, broken, chmod, hello, libc, patched};
use crate::plugins::{Digest, inspect, list};

#[test]
fn a_plugin() {
    let dirs = Dirs::with(&[("libhello.so", hello())]);
    let found = inspect(&dirs.plugins.path().join("libhello.so")).expect("readable");
    assert!(found.loads(), "{:?}", found.problems);
    assert_eq!(found.size, hello().len() as u64);
    assert_eq!(found.sha256, Digest::of(hello()).to_string());
    assert!(found.needed.iter().any(|library| library == "libc.so.6"), "{:?}", found.needed);
    assert!(found.glibc.is_some());

    let text = found.to_string();
    for row in [
        "name         hello-plugin\n",
        "api          1.0\n",
        "processor    Hello\n",
        "  phases     save\n",
        "  blocking   never\n",
        "needs        ",
        "glibc        2.",
        "loads        yes, as far as can be told without running it",
    ] {
        assert!(text.contains(row), "{row:?} is not in\n{text}");
    }

    let json = serde_json::to_value(&found).expect("JSON");
    assert_eq!(json["manifest"]["processors"][0]["name"], "Hello");
    assert_eq!(json["problems"], serde_json::json!([]));
}

#[test]
fn a_link_to_a_plugin_is_followed() {
    let dirs = Dirs::with(&[("libhello.so", hello())]);
    let link = dirs.runtime.path().join("link");
    symlink(dirs.plugins.path().join("libhello.so"), &link).expect("linked");
    assert!(inspect(&link).expect("readable").loads());
}

#[test]
fn all_that_would_refuse_it_is_found() {
    let dirs = Dirs::new();
    let path = dirs.put("x.so", &patched(hello(), "\"api\":\"1.0\"", "\"api\":\"3.1\""));
    chmod(&path, 0o666);
    chmod(dirs.plugins.path(), 0o777);
    let found = inspect(&path).expect("readable");
    let codes: Vec<_> = found.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["plugins_dir.mode", "plugin.mode", "plugin.api"]);
    assert!(found.to_string().ends_with("loads        no"));
    assert_eq!(found.manifest.expect("shown as it stands")["api"], "3.1");
}

#[test]
fn a_foreign_library() {
    let dirs = Dirs::with(&[("libc.so", &libc())]);
    let found = inspect(&dirs.plugins.path().join("libc.so")).expect("readable");
    assert_eq!(found.problems.len(), 1);
    assert_eq!(found.problems[0].code, "plugin.no_manifest");
    assert_eq!(found.manifest, None);
}

#[test]
fn what_cannot_be_read() {
    let dirs = Dirs::new();
    let code = |name: &str| inspect(&dirs.plugins.path().join(name)).expect_err("refused").code();
    assert_eq!(code("missing.so"), "plugin.read");
    fs::create_dir(dirs.plugins.path().join("dir.so")).expect("made");
    assert_eq!(code("dir.so"), "plugin.not_regular");
}

/// Nothing that a file says can move the cursor of whoever looks at it, or start a line of its own.
#[test]
fn texts_of_a_file_stay_on_their_line() {
    let evil = patched(hello(), "Adds an X-Hello header", r"\u001b[2J\nloads yes\r");
    let dirs = Dirs::with(&[("x\n\x1b[1m.so", &evil)]);
    let found = inspect(&dirs.plugins.path().join("x\n\x1b[1m.so")).expect("readable");
    let text = found.to_string();
    assert!(text.contains(r"  about      \u{1b}[2J loads yes field"), "{text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    let listing = list(dirs.plugins.path(), &[]).expect("listed").to_string();
    assert!(!listing.chars().any(|c| c.is_control() && c != '\n'), "{listing:?}");
}

/// A file whose root panics: reading it does not make one.
#[test]
fn no_code_runs() {
    let dirs = Dirs::with(&[("x.so", &broken("panicking_root"))]);
    assert!(inspect(&dirs.plugins.path().join("x.so")).expect("readable").loads());
    assert!(list(dirs.plugins.path(), &[]).expect("listed").loads());
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    assert!(!maps.contains(dirs.plugins.path().to_str().expect("UTF-8")));
}

#[test]
fn a_directory() {
    let dirs = Dirs::with(&[("a.so", hello()), ("b.so", b"text"), ("c.so", hello())]);
    let listing = list(dirs.plugins.path(), &["Header"]).expect("listed");
    assert!(!listing.loads());
    let codes: Vec<Vec<_>> = listing
        .rows
        .iter()
        .map(|row| row.problems.iter().map(|problem| problem.code).collect())
        .collect();
    // Neither of two with one name is loaded.
    let twice: &[&str] = &["plugin.duplicate", "plugin.duplicate"];
    let expected: [&[&str]; 3] = [twice, &["plugin.not_elf"], twice];
    assert_eq!(codes, expected);

    let text = listing.to_string();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("PLUGIN        VERSION  API  STATE    PROCESSORS"));
    let row = lines.next().expect("a row");
    assert!(row.starts_with("hello-plugin  0.1.0    1.0  refused  /"), "{row}");
    assert!(lines.next().expect("a row").starts_with("?                           refused  /"));

    let json = serde_json::to_value(&listing).expect("JSON");
    assert_eq!(json[0]["processors"][0], "Hello");
    assert_eq!(json[1]["problems"][0]["code"], "plugin.not_elf");
    let alone = Dirs::with(&[("a.so", hello())]);
    let text = list(alone.plugins.path(), &["Header"]).expect("listed").to_string();
    assert_eq!(text.lines().nth(1), Some("hello-plugin  0.1.0    1.0  ok     Hello"));
}
