//! The promise: a plugin built with API 1.x loads in every host 1.y. Played with a border to which something was
//! appended everywhere, as a later version may.
//!
//! And a host whose memory is not that of its plugins.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Plugin, Setup, build_in};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// A directory of the build, where this test's own daemon is.
fn profile_dir() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_guerrillad")).parent().expect("target/debug")
}

/// A `cargo build` into the directory and with the profile that this test was built with.
fn cargo_build(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--message-format=json"]).args(args);
    command.arg("--target-dir").arg(profile_dir().parent().expect("a target directory"));
    if profile_dir().ends_with("release") {
        command.arg("--release");
    }
    command
}

/// A host of a later API.
fn later_host() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| host("guerrillad-1-1", &["--features", "guerrilla/fake-1-1"]))
}

/// Another build of the daemon.
fn host(name: &str, how: &[&str]) -> PathBuf {
    // The whole workspace is named so that foreign crates are those that the tests were built with.
    let args = [&["--workspace", "--example", name], how].concat();
    build_in(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), cargo_build(&args));
    profile_dir().join("examples").join(name)
}

/// Installs a plugin of a later API.
fn install_later_plugin(setup: &Setup) {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let content = BUILT.get_or_init(|| {
        let args = ["-p", "later-plugin", "--features", "fake-1-1"];
        let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        fs::read(&build_in(workspace, cargo_build(&args))["later_plugin"]).expect("just built")
    });
    let place = setup.plugins_dir().join("later.so");
    fs::write(&place, content).expect("our own directory");
    fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("our own file");
}

/// Starts the host, with plugins of both versions if both are wanted, and delivers one mail; as it was kept.
#[track_caller]
fn kept_by(host: Option<&Path>, chain: &str) -> String {
    let mut setup = Setup::chain(chain);
    Plugin::Hello.install(&setup.plugins_dir());
    if chain.contains("Later") {
        install_later_plugin(&setup);
    }
    if let Some(host) = host {
        setup = setup.program(host);
    }
    let daemon = setup.start();
    let mut client = daemon.client();
    for number in 0..3 {
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{number}: {reply}");
    }
    let mail = daemon.mails("test").remove(0);
    daemon.stop();
    mail
}

#[test]
fn a_host_takes_a_plugin_of_a_later_version() {
    let mail = kept_by(None, "Later|Header|MailDir");
    assert!(mail.contains("X-Later: built with 1.1, found nothing new\n"), "{mail}");
}

#[test]
fn a_host_of_a_later_version_takes_plugins_of_this_one() {
    let mail = kept_by(Some(later_host()), "Hello|Recorder|Holds|Header|MailDir");
    assert!(mail.contains("X-Hello: ") && mail.contains("X-Held: "), "{mail}");
}

#[test]
fn both_have_what_was_appended_where_both_are_later() {
    let mail = kept_by(Some(later_host()), "Later|Header|MailDir");
    assert!(mail.contains("X-Later: built with 1.1, found 1 and 1\n"), "{mail}");
}

#[test]
fn plugins_of_both_versions_serve_in_one_process_in_any_order() {
    for host in [None, Some(later_host())] {
        for chain in ["Hello|Later|Recorder|Header|MailDir", "Later|Hello|Holds|Header|MailDir"] {
            let mail = kept_by(host, chain);
            assert!(mail.contains("X-Later: ") && mail.contains("X-Hello: "), "{mail}");
        }
    }
}

#[test]
fn what_a_plugin_lacks_is_absent() {
    let setup = Setup::chain("Later|Hello|Header|MailDir");
    Plugin::Hello.install(&setup.plugins_dir());
    install_later_plugin(&setup);
    let daemon = setup.program(later_host()).start();
    // Two have the entry: the later plugin, and Header which is built in. The others have the body that was appended with
    // it: UNSUPPORTED.
    assert_eq!(daemon.log().with("appended to the instance: 0x1").len(), 2);
    assert_eq!(daemon.log().with("appended to the instance: 0x80000003").len(), 2);
    daemon.stop();
}

#[test]
fn memory_is_freed_by_the_side_that_has_allocated_it() {
    let host = host("guerrillad-own-memory", &[]);
    let mail = kept_by(Some(&host), "Hello|Recorder|Holds|Header|Compressor|MailDir");
    assert!(mail.contains("X-Held: by another thread"), "{mail}");
    // Errors, panics and the end, too.
    for name in ["Panics", "FailsToSettle", "PanicsInDrop", "HoldsAndPanics"] {
        let daemon = Setup::chain(&format!("{name}|Header|MailDir")).program(&host).start();
        daemon.client().mail("wrong@example.com", &["test@example.test"], MESSAGE);
        assert_eq!(daemon.log().with("memory was freed").len(), 0, "{}", daemon.log().text());
        daemon.stop();
    }
    let setup = Setup::chain("FailsToStart").program(&host);
    assert_eq!(setup.refused().0, Some(78));
}
