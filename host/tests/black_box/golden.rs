//! Plugin files of every API that was released, kept as they were built then (`scripts/golden`): each loads, and serves.

#![cfg(all(target_arch = "x86_64", target_env = "gnu"))]

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::support::{Plugin, Setup, guerrillad};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Directories with the files of one version each.
fn versions() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api/abi/golden");
    let entries = fs::read_dir(golden).expect("in the repository");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    found.sort();
    assert!(found.iter().any(|dir| dir.ends_with("1.0")), "{found:?}");
    found
}

/// Unpacks the files of a version into a plugins directory, over what is there.
fn install(version: &Path, plugins: &Path) -> Vec<PathBuf> {
    let mut installed = Vec::new();
    for entry in fs::read_dir(version).expect("in the repository") {
        let packed = entry.expect("readable").path();
        let mut content = Vec::new();
        let file = File::open(&packed).expect("in the repository");
        GzDecoder::new(file).read_to_end(&mut content).expect("packed by gzip");
        let place = plugins.join(packed.file_stem().expect("a name"));
        fs::write(&place, content).expect("our own directory");
        fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("our own file");
        installed.push(place);
    }
    installed
}

#[test]
fn each_can_be_loaded() {
    for version in versions() {
        let setup = Setup::without_plugins();
        for file in install(&version, &setup.plugins_dir()) {
            let args = ["plugins", "verify", file.to_str().expect("UTF-8")];
            let mut verified = guerrillad(setup.dir(), args);
            assert_eq!(verified.exit_code(), Some(0), "{args:?}");
            assert!(verified.stdout.text().contains("loads        yes"), "{args:?}");
        }
    }
}

#[test]
fn each_serves_beside_those_of_today() {
    for version in versions() {
        // Holds, group commit, notes of the end, threads: what a plugin can do.
        let setup = Setup::chain("Hello|Recorder|Holds|Header|MailDir");
        Plugin::MailDir.install(&setup.plugins_dir());
        install(&version, &setup.plugins_dir());
        let daemon = setup.backend("validate_process", "Holds|MailDir").start();
        let mut client = daemon.client();
        for _ in 0..3 {
            let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
            assert!(reply.starts_with("250 2.0.0 "), "{}: {reply}", version.display());
        }
        let mail = daemon.mails("test").remove(0);
        assert!(mail.contains("X-Hello: ") && mail.contains("X-Held: "), "{mail}");
        let settled = daemon.records().iter().filter(|record| record["what"] == "settled").count();
        assert_eq!(settled, 3);
        daemon.stop();

        let setup = Setup::chain("PanicsInline|Header|MailDir");
        install(&version, &setup.plugins_dir());
        let daemon = setup.start();
        let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("451 4.3.0 "), "{}: {reply}", version.display());
        daemon.log().wait_for("PanicsInline: fault: panicked in save: save gone wrong");
        daemon.stop();
    }
}
