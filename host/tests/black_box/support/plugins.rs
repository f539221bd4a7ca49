//! Plugin files, built by Cargo as their authors do and installed as operators do.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A plugin of this repository.
#[derive(Clone, Copy)]
pub(crate) enum Plugin {
    Hello,
    InC,
    MailDir,
    Misbehaving,
}

impl Plugin {
    /// Puts it into a plugins directory; where.
    pub(crate) fn install(self, dir: &Path) -> PathBuf {
        let file = self.file();
        let place = dir.join(file.file_name().expect("a file"));
        fs::copy(&file, &place).expect("a writable directory");
        // Whatever the umask of whoever runs the tests.
        fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("our own file");
        place
    }

    /// The built file, without debug information: what is installed is small.
    pub(crate) fn file(self) -> PathBuf {
        static BUILT: OnceLock<(TempDir, HashMap<String, PathBuf>)> = OnceLock::new();
        let (_, files) = BUILT.get_or_init(|| {
            let packages = ["c-plugin", "guerrilla-maildir", "hello-plugin", "misbehaving-plugin"];
            let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let built = build(&workspace, &profile_dir(), &packages);
            let dir = tempfile::tempdir().expect("a temporary directory");
            let stripped = built.into_iter().map(|(name, file)| (name, strip(&file, dir.path())));
            let stripped = stripped.collect();
            (dir, stripped)
        });
        let name = match self {
            Self::Hello => "hello_plugin",
            Self::InC => "c_plugin",
            Self::MailDir => "maildir",
            Self::Misbehaving => "misbehaving_plugin",
        };
        files[name].clone()
    }
}

/// Where Cargo has put this test's own binary: `target/debug` or its like.
fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("Linux tells");
    exe.ancestors().nth(2).expect("target/debug/deps/test").to_owned()
}

/// Builds packages of a workspace into the target directory, and with the profile, that this directory stands for;
/// the shared objects by the names of their targets.
fn build(workspace: &Path, into: &Path, packages: &[&str]) -> HashMap<String, PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--message-format=json", "--target-dir"]);
    command.arg(into.parent().expect("a target directory"));
    if into.ends_with("release") {
        command.arg("--release");
    }
    for package in packages {
        command.args(["-p", package]);
    }
    build_in(workspace, command)
}

/// Runs a `cargo build` that speaks JSON; the shared objects by the names of their targets.
pub(crate) fn build_in(workspace: &Path, mut command: Command) -> HashMap<String, PathBuf> {
    command.current_dir(workspace).stdin(Stdio::null());
    let output = command.output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{errors}");
    let mut files = HashMap::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let made = message["filenames"].as_array().into_iter().flatten();
        for file in made.filter_map(|file| file.as_str()).filter(|file| file.ends_with(".so")) {
            files.insert(name.to_owned(), PathBuf::from(file));
        }
    }
    files
}

/// A copy without debug information. Every start of a daemon hashes and copies its plugins.
fn strip(file: &Path, dir: &Path) -> PathBuf {
    let copy = dir.join(file.file_name().expect("a file"));
    let mut command = Command::new("strip");
    command.arg("--strip-debug").arg("-o").arg(&copy).arg(file);
    let stripped = command.status().expect("strip runs (Debian package binutils)");
    assert!(stripped.success(), "{command:?} failed");
    copy
}
