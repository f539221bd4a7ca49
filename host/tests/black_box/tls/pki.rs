//! Certificates, made by OpenSSL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

/// A certificate authority and what it has signed.
pub(super) struct Pki {
    dir: TempDir,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Kinds of keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    P256,
    Rsa,
}

impl Pki {
    pub(super) fn new() -> Self {
        let this = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        this.sign("ca", "/CN=Test CA", "basicConstraints=critical,CA:TRUE", Kind::P256, None);
        this
    }

    /// The authority's certificate.
    pub(super) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// A pair for these names; the first is its common name, too.
    pub(super) fn server(&self, file: &str, names: &[&str], kind: Kind) -> Pair {
        let names: Vec<_> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let subject = format!("/CN={}", names[0].trim_start_matches("DNS:"));
        let extensions = format!("basicConstraints=CA:FALSE\nsubjectAltName={}", names.join(","));
        self.sign(file, &subject, &extensions, kind, Some("ca"))
    }

    /// A client's pair, signed by the authority.
    pub(super) fn client(&self, file: &str, subject: &str) -> Pair {
        let extensions = "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth";
        self.sign(file, subject, extensions, Kind::P256, Some("ca"))
    }

    /// A client's pair that nobody vouches for.
    pub(super) fn stranger(&self, file: &str) -> Pair {
        let extensions = "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth";
        self.sign(file, "/CN=stranger", extensions, Kind::P256, None)
    }

    /// The same key in another form: what `openssl` writes with these arguments.
    pub(super) fn convert(&self, pair: &Pair, file: &str, arguments: &[&str]) -> Pair {
        let key = self.path(file, "key");
        let mut command = Command::new("openssl");
        command.args(arguments).arg("-in").arg(&pair.key).arg("-out").arg(&key);
        run(command);
        Pair { certificate: pair.certificate.clone(), key }
    }

    /// A file with this content.
    pub(super) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("our own directory");
        path
    }

    fn path(&self, file: &str, extension: &str) -> PathBuf {
        self.dir.path().join(file).with_extension(extension)
    }

    fn sign(
        &self,
        file: &str,
        subject: &str,
        extensions: &str,
        kind: Kind,
        signer: Option<&str>,
    ) -> Pair {
        let (certificate, key) = (self.path(file, "crt"), self.path(file, "key"));
        let config = self.file(
            &format!("{file}.cnf"),
            &format!("[req]\ndistinguished_name=dn\n[dn]\n[extensions]\n{extensions}\n"),
        );
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes", "-days", "30", "-utf8", "-subj", subject]);
        command.args(["-extensions", "extensions", "-config"]).arg(config);
        match kind {
            Kind::P256 => command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            Kind::Rsa => command.args(["-newkey", "rsa:2048"]),
        };
        if let Some(signer) = signer {
            command.arg("-CA").arg(self.path(signer, "crt"));
            command.arg("-CAkey").arg(self.path(signer, "key"));
        }
        command.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        run(command);
        Pair { certificate, key }
    }
}

impl Pair {
    /// As it stands in a config.
    pub(super) fn json(&self) -> Value {
        json!({ "public_key_file": self.certificate, "private_key_file": self.key })
    }

    /// Puts another pair in the place of this one, each file by a rename.
    pub(super) fn replace_with(&self, other: &Self) {
        for (old, new) in [(&self.key, &other.key), (&self.certificate, &other.certificate)] {
            replace(old, &fs::read(new).expect("a file of ours"));
        }
    }
}

/// Gives a file another content by a rename, so that nobody sees half of it.
pub(super) fn replace(path: &Path, content: &[u8]) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, content).expect("our own directory");
    fs::rename(&fresh, path).expect("our own directory");
}

#[track_caller]
fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
