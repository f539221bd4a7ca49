//! What the operator wants loaded.

use super::fixtures::{Dirs, hello, patched};
use crate::plugins::{Digest, LoadError, LoadOptions, Loaded, OnError, load_dir};

fn load(dirs: &Dirs, options: LoadOptions<'_>) -> Result<Loaded, Vec<LoadError>> {
    load_dir(
        dirs.plugins.path(),
        &LoadOptions { runtime_dir: Some(dirs.runtime.path()), ..options },
    )
}

fn codes(errors: &[LoadError]) -> Vec<&'static str> {
    errors.iter().map(LoadError::code).collect()
}

/// A plugin of another name that offers a processor of another name.
fn other() -> Vec<u8> {
    patched(&patched(hello(), "hello-plugin", "other-plugin"), "\"Hello\"", "\"Other\"")
}

const SKIP: LoadOptions<'static> = LoadOptions {
    known: &[],
    on_error: OnError::Skip,
    runtime_dir: None,
    generation: 0,
    taken_names: &[],
    allow: None,
    sha256: &[],
    crashes: None,
    prober: None,
};

#[test]
fn only_what_is_allowed_by_its_own_or_its_files_name() {
    let dirs = Dirs::with(&[("a.so", hello()), ("b.so", &other())]);
    for (word, refused) in [("hello-plugin", "b.so"), ("a.so", "b.so"), ("other-plugin", "a.so")] {
        let allow = [word.to_owned()];
        let options = LoadOptions { allow: Some(&allow), ..LoadOptions::default() };
        let errors = load(&dirs, options).expect_err("one is not listed");
        assert_eq!(codes(&errors), ["plugin.not_allowed"]);
        assert!(errors[0].path().ends_with(refused), "{word}: {}", errors[0]);
        assert!(errors[0].to_string().contains("is not listed in plugins_allow; add '"));
    }
    let allow = ["hello-plugin".to_owned(), "b.so".to_owned()];
    let options = LoadOptions { allow: Some(&allow), ..LoadOptions::default() };
    assert_eq!(load(&dirs, options).expect("both are listed").files.len(), 2);
}

#[test]
fn only_the_content_that_was_pinned() {
    let dirs = Dirs::with(&[("a.so", hello()), ("b.so", &other())]);
    let found = Digest::of(hello()).to_string();
    let load = |name: &str, digest: &str| {
        let pins = [(name.to_owned(), digest.to_owned()), ("absent".to_owned(), String::new())];
        load(&dirs, LoadOptions { sha256: &pins, ..LoadOptions::default() })
    };
    assert_eq!(load("hello-plugin", &found).expect("as pinned").files.len(), 2);
    assert_eq!(load("a.so", &found.to_uppercase()).expect("in any case").files.len(), 2);
    let errors = load("b.so", &found).expect_err("another content");
    assert_eq!(codes(&errors), ["plugin.sha256"]);
    assert!(errors[0].to_string().contains(&format!("expected {found} (plugins_sha256)")));
}

#[test]
fn one_bad_file_need_not_be_the_end_of_the_others() {
    let dirs = Dirs::with(&[("a.so", hello()), ("b.so", b"text"), ("c.so", &other()[..4096])]);
    let loaded = load(&dirs, SKIP).expect("the good one");
    assert_eq!(codes(&loaded.skipped), ["plugin.not_elf", "plugin.truncated"]);
    assert_eq!(loaded.files.len(), 1);
    assert_eq!(loaded.files[0].manifest.name, "hello-plugin");
}

/// Were one of the two loaded, which one would depend on the names of the files.
#[test]
fn of_two_that_offer_the_same_name_none_is_loaded() {
    let dirs = Dirs::with(&[("a.so", hello()), ("b.so", &other()), ("c.so", hello())]);
    let loaded = load(&dirs, SKIP).expect("the other one");
    assert_eq!(loaded.files.len(), 1);
    assert_eq!(loaded.files[0].manifest.name, "other-plugin");
    assert!(loaded.skipped.iter().all(|error| error.code() == "plugin.duplicate"));
    for file in ["a.so", "c.so"] {
        assert!(loaded.skipped.iter().any(|error| error.path().ends_with(file)), "{file}");
    }
    let taken = load(&dirs, LoadOptions { taken_names: &["other"], ..SKIP });
    assert_eq!(taken.expect("nothing").files.len(), 0);
}
