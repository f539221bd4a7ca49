//! The file that is shipped, loaded as the daemon loads it.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use guerrilla_plugin_api::testkit::{Harness, Mail};
use hello_plugin::Hello;

/// Cargo builds it beside this test.
fn file() -> PathBuf {
    let test = std::env::current_exe().expect("Linux tells");
    test.with_file_name("libhello_plugin.so")
}

#[test]
fn the_built_file_says_hello() {
    let harness = Harness::<Hello>::of_file(file(), "{}").expect("loads");
    let delivery = harness.deliver(Mail::new().to("a@example.com").to("b@example.com"));
    assert!(delivery.is_accepted());
    assert!(harness.has_logged("hello to 2 recipients"));
    assert_eq!(harness.counter("greeted"), 1);
}

#[test]
fn what_is_no_plugin_is_refused() {
    let error = |path: PathBuf| Harness::<Hello>::of_file(path, "{}").map(|_| ()).unwrap_err();
    assert!(error("/no/such.so".into()).contains("No such file"));
    let test = std::env::current_exe().expect("Linux tells");
    assert!(error(test.clone()).starts_with(test.to_str().expect("UTF-8")));
    let unknown = Harness::<Hello>::of_file(file(), r#"{"colour": "red"}"#).map(|_| ());
    assert!(unknown.unwrap_err().contains("colour"));
}
