//! Plugin files to load, whole and broken, and directories to put them in.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use guerrilla_plugin_abi::note;
use tempfile::TempDir;

use crate::plugins::{LoadError, LoadOptions, LoadedFile, load_dir};

/// The smallest plugin, as it is built.
pub(super) fn hello() -> &'static [u8] {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    HELLO.get_or_init(|| {
        let built = build(&["-p", "hello-plugin", "--lib"]);
        fs::read(&built["hello_plugin"]).expect("hello-plugin was built")
    })
}

/// A file of `broken-plugins`, by the name of its example.
pub(super) fn broken(example: &str) -> Vec<u8> {
    static BROKEN: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let built = BROKEN.get_or_init(|| build(&["-p", "broken-plugins", "--examples"]));
    fs::read(&built[example]).expect("broken-plugins were built")
}

/// A shared object that is no plugin: the C library this test runs with.
pub(super) fn libc() -> Vec<u8> {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.contains("/libc.so") || path.contains("/libc-2"))
        .expect("linked to glibc");
    fs::read(path).expect("readable")
}

/// Builds packages of this workspace; shared objects by the names of their targets.
fn build(packages: &[&str]) -> HashMap<String, PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json"])
        .args(packages)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo build {packages:?} failed");
    let mut files = HashMap::new();
    for line in output.stdout.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let message: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let made = message["filenames"].as_array().into_iter().flatten();
        for file in made.filter_map(|file| file.as_str()).filter(|file| file.ends_with(".so")) {
            files.insert(name.to_owned(), PathBuf::from(file));
        }
    }
    files
}

/// A plugins directory and a runtime directory of a test's own.
pub(super) struct Dirs {
    pub(super) plugins: TempDir,
    pub(super) runtime: TempDir,
}

impl Dirs {
    pub(super) fn new() -> Self {
        let dir = || {
            tempfile::Builder::new()
                .permissions(Permissions::from_mode(0o755))
                .tempdir()
                .expect("a temporary directory")
        };
        Self { plugins: dir(), runtime: dir() }
    }

    /// With these files in it.
    pub(super) fn with(files: &[(&str, &[u8])]) -> Self {
        let dirs = Self::new();
        for (name, content) in files {
            dirs.put(name, content);
        }
        dirs
    }

    /// Puts a file there, with the mode that an installed one has whatever the umask is.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.plugins.path().join(name);
        fs::write(&path, content).expect("written");
        chmod(&path, 0o755);
        path
    }

    pub(super) fn load(&self) -> Result<Vec<LoadedFile>, Vec<LoadError>> {
        self.load_beside(&[])
    }

    /// Loads beside processors of these names.
    pub(super) fn load_beside(
        &self,
        taken_names: &[&str],
    ) -> Result<Vec<LoadedFile>, Vec<LoadError>> {
        let runtime_dir = Some(self.runtime.path());
        let options =
            LoadOptions { runtime_dir, generation: 1, taken_names, ..LoadOptions::default() };
        load_dir(self.plugins.path(), &options).map(|loaded| loaded.files)
    }

    /// The one error that loading ends in.
    pub(super) fn refusal(&self) -> LoadError {
        let mut errors = self.load().expect_err("to be refused");
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
}

/// The bytes with one text in them replaced, wherever it occurs, by another of the same length.
pub(super) fn patched(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places = find_all(&bytes, from.as_bytes());
    assert!(!places.is_empty(), "{from} is not there");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// Where the note of a plugin begins: its three numbers, its owner, its text.
pub(super) fn note_at(bytes: &[u8]) -> usize {
    let places = find_all(bytes, &note::OWNER);
    let is_note = |at: &usize| bytes[at - 4..*at] == note::TYPE_MANIFEST.to_ne_bytes();
    places.into_iter().filter(|at| *at >= 12).find(is_note).expect("a note") - 12
}

fn find_all(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    memchr::memmem::find_iter(bytes, text).collect()
}
