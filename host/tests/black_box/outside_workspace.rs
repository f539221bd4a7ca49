//! A plugin as a stranger builds it: in a Cargo workspace of its own, outside of this one, depending on nothing of
//! ours but `guerrilla-plugin-api`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Setup, build_in};

/// Builds the example's source with a manifest of its own; the shared object.
fn build_elsewhere(dir: &Path) -> PathBuf {
    let repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("there");
    assert!(!dir.starts_with(&repository), "{} is inside of the repository", dir.display());
    let api = repository.join("plugin-api");
    let manifest = format!(
        r#"[package]
name = "stranger"
version = "4.5.6"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
guerrilla-plugin-api = {{ path = {api:?} }}

[workspace]
"#
    );
    fs::create_dir(dir.join("src")).expect("a fresh directory");
    fs::write(dir.join("Cargo.toml"), manifest).expect("our own directory");
    let source = repository.join("examples/hello-plugin/src/lib.rs");
    fs::copy(source, dir.join("src/lib.rs")).expect("the example is there");
    // The versions that this repository is built with are at hand without a network.
    fs::copy(repository.join("Cargo.lock"), dir.join("Cargo.lock")).expect("there");
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--offline", "--message-format=json", "--target-dir"]);
    command.arg(dir.join("target"));
    let built = build_in(dir, command);
    built["stranger"].clone()
}

#[test]
fn a_plugin_from_outside_is_loaded_and_run() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let built = build_elsewhere(dir.path());
    let setup = Setup::chain("Header|hello|MailDir");
    let installed = setup.plugins_dir().join("stranger.so");
    fs::copy(built, &installed).expect("our own directory");
    fs::set_permissions(&installed, Permissions::from_mode(0o644)).expect("our own file");
    let daemon = setup.start();
    daemon.log().wait_for("plugin stranger 4.5.6 ");
    let to = ["test@example.test", "other@example.test"];
    let reply = daemon.client().mail("a@example.com", &to, "Subject: hi\r\n\r\nHi.\r\n");
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let mail = &daemon.mails("test")[0];
    assert!(mail.contains("\nX-Hello: to 2 recipients\n"), "{mail}");
    daemon.log().wait_for("hello to 2 recipients");
    daemon.stop();
}

/// The lines of the example's README, by which a copy of it is built.
#[test]
fn a_copy_of_the_plugin_in_c_builds_as_its_readme_says() {
    let repository =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("there");
    let readme = fs::read_to_string(repository.join("examples/c-plugin/README.md"));
    let readme = readme.expect("the example is there");
    let steps = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let steps: Vec<&str> = steps.expect("steps").lines().collect();
    let [copying @ .., building] = &steps[..] else { panic!("{steps:?}") };
    let setup = Setup::chain("Header|Forbidden|MailDir").backend("forbidden_word", "lottery");
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-ec", line]).env("HOME", setup.dir()).current_dir(&repository);
        let output = command.output().expect("a shell");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    copying.iter().for_each(|line| shell(line));
    assert_eq!(*building, "cd ~/my-plugin && cargo build --release");
    let dir = setup.dir().join("my-plugin");
    // What others have published is at hand without a network by this checkout's lock file.
    fs::copy(repository.join("Cargo.lock"), dir.join("Cargo.lock")).expect("there");
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--offline", "--message-format=json", "--target-dir"]);
    command.arg(dir.join("target"));
    let built = build_in(&dir, command);
    let installed = setup.plugins_dir().join("libc_plugin.so");
    fs::copy(&built["c_plugin"], &installed).expect("our own directory");
    fs::set_permissions(&installed, Permissions::from_mode(0o644)).expect("our own file");
    let daemon = setup.start();
    let mail = |subject: &str| format!("Subject: {subject}\r\n\r\nHi.\r\n");
    let to = ["test@example.test"];
    let reply = daemon.client().mail("a@example.com", &to, &mail("a lottery"));
    assert!(reply.starts_with("550 "), "{reply}");
    let reply = daemon.client().mail("a@example.com", &to, &mail("a letter"));
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}
