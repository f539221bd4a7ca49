//! Why TLS cannot be had as it is configured.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls;

/// A file that cannot be used, or settings that do not go together. One line; names the key and the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{key} {}: {source}", .path.display())]
    Read {
        /// The config's key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{key} {}: {reason}", .path.display())]
    Content {
        /// The config's key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// Certificate and key are not of one pair.
    #[error(
        "private_key_file {} is not the key of the certificate in public_key_file {}",
        .key.display(),
        .certificate.display()
    )]
    Mismatch {
        /// `public_key_file`.
        certificate: PathBuf,
        /// `private_key_file`.
        key: PathBuf,
    },
    /// Clients are to be verified against the system's roots, and there are none.
    #[error(
        "client_auth_type: no root certificate is found on this system to verify clients with; name a file in root_cas_file"
    )]
    NoSystemRoots,
    /// The TLS library refuses the settings.
    #[error("protocols, ciphers and curves do not go together: {0}")]
    Settings(#[from] rustls::Error),
}

impl TlsError {
    pub(super) fn content(key: &'static str, path: &Path, reason: impl Into<String>) -> Self {
        Self::Content { key, path: path.to_owned(), reason: reason.into() }
    }
}

/// The content of a file of the config.
pub(super) fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let regular = |found: Metadata| match found.is_file() {
        true => Ok(()),
        // A pipe may never come to its end.
        false => Err(io::Error::other("is not a regular file")),
    };
    fs::metadata(path)
        .and_then(regular)
        .and_then(|()| fs::read(path))
        .map_err(|source| TlsError::Read { key, path: path.to_owned(), source })
}
