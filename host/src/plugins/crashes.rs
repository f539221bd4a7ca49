//! The record of crashes: which plugin file has ended the daemon, when and how.
//!
//! A file of lines, `SECONDS SHA256 PLUGIN WHAT`, that only grows: the line of a crash is written by the very process
//! that dies of it (see `ffi::crash`). It is read when the daemon starts. A file that has crashed [`CRASHES`] times within
//! [`WINDOW`] is in quarantine: it is not loaded until it is replaced by another (its hash is another then) or released.
//!
//! # Trust
//!
//! Who can write to the record can keep plugins from being loaded, so it must be the daemon's user's or root's alone.
//! Limits: of a record beyond a megabyte the last megabyte counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::digest::Digest;
use super::one_line::{LIMIT, one_line, shown};
use super::ownership::Ownership;

/// An open record.
#[derive(Debug)]
pub struct Crashes {
    file: File,
    path: PathBuf,
    crashes: Vec<Crash>,
}

#[derive(Clone, Debug, PartialEq)]
struct Crash {
    /// Seconds since 1970.
    at: u64,
    sha256: String,
    plugin: String,
    what: String,
}

/// The record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CrashFileError {
    /// It cannot be opened, read or written.
    #[error(
        "plugins_crash_file {}: {source}; let it be a regular file in a directory that the daemon may write to",
        shown(path)
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could have written it.
    #[error("plugins_crash_file {}: {why}", shown(path))]
    Ownership {
        /// The file.
        path: PathBuf,
        /// Why.
        why: Ownership,
    },
}

impl Crashes {
    /// Opens a record and reads it; it is made if it is not there.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open(path: &Path) -> Result<Self, CrashFileError> {
        let failed = |source| CrashFileError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            // A FIFO would keep us waiting, a link lead to another's file.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("is not a regular file")));
        }
        Ownership::check(&metadata)
            .map_err(|why| CrashFileError::Ownership { path: path.to_owned(), why })?;
        let mut text = Vec::new();
        let start = metadata.len().saturating_sub(MOST);
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        (&file).take(MOST).read_to_end(&mut text).map_err(failed)?;
        let text = String::from_utf8_lossy(&text);
        // What is no line of ours (cut off by a full disk, edited) says nothing.
        let crashes = text.lines().filter_map(Crash::parse).collect();
        Ok(Self { file, path: path.to_owned(), crashes })
    }

    /// Why a file of this content is in quarantine, if it is.
    pub(super) fn quarantine(&self, content: Digest) -> Option<Quarantine> {
        let sha256 = content.to_string();
        let own: Vec<_> = self.crashes.iter().filter(|crash| crash.sha256 == sha256).collect();
        let close = |crashes: &&[&Crash]| {
            let [first, .., last] = crashes else { return false };
            last.at.saturating_sub(first.at) <= WINDOW.as_secs()
        };
        let last = own.windows(CRASHES).rfind(close)?.last()?;
        Some(Quarantine { what: one_line(&last.what, LIMIT) })
    }

    /// Forgets the crashes of a plugin. How many there were.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn release(&mut self, plugin: &str) -> Result<usize, CrashFileError> {
        let before = self.crashes.len();
        self.crashes.retain(|crash| crash.plugin != plugin);
        let forgotten = before - self.crashes.len();
        if forgotten > 0 {
            // In place: a running daemon has this very file open.
            let text: String = self.crashes.iter().map(Crash::line).collect();
            self.file
                .set_len(0)
                .and_then(|()| self.file.write_all(text.as_bytes()))
                .map_err(|source| CrashFileError::Io { path: self.path.clone(), source })?;
        }
        Ok(forgotten)
    }

    /// The plugins that have crashed, each once.
    pub fn plugins(&self) -> Vec<&str> {
        let mut plugins: Vec<&str> =
            self.crashes.iter().map(|crash| crash.plugin.as_str()).collect();
        plugins.sort_unstable();
        plugins.dedup();
        plugins
    }

    /// Another descriptor of it.
    ///
    /// # Errors
    /// There are no more.
    pub(super) fn descriptor(&self) -> Result<OwnedFd, CrashFileError> {
        let descriptor = self.file.try_clone().map(OwnedFd::from);
        descriptor.map_err(|source| CrashFileError::Io { path: self.path.clone(), source })
    }
}

impl CrashFileError {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::Ownership { path, .. } => path,
        }
    }
}

impl Crash {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let crash = Self {
            at: words.next()?.parse().ok()?,
            sha256: words.next()?.to_owned(),
            plugin: words.next()?.to_owned(),
            what: words.next()?.to_owned(),
        };
        Some(crash)
    }

    fn line(&self) -> String {
        let Self { at, sha256, plugin, what } = self;
        format!("{at} {sha256} {plugin} {what}\n")
    }
}

/// Why a file is not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// How it crashed last.
    what: String,
}

impl std::fmt::Display for Quarantine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (minutes, what) = (WINDOW.as_secs() / 60, &self.what);
        write!(f, "has ended the daemon {CRASHES} times within {minutes} minutes (last: {what})")
    }
}

/// So many crashes are too many
const CRASHES: usize = 3;
/// within so short a time.
const WINDOW: Duration = Duration::from_secs(600);

/// Most bytes that are read.
const MOST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn record(lines: &[(u64, Digest, &str)]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crashes");
        let lines =
            lines.iter().map(|(at, sha256, plugin)| format!("{at} {sha256} {plugin} SIGSEGV\n"));
        let text: String = lines.collect();
        if !text.is_empty() {
            // With what a full disk and an editor leave behind.
            fs::write(&path, format!("cut off\n# note\n{text}17953")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        (dir, path)
    }

    #[test]
    fn three_within_ten_minutes_are_too_many() {
        let (bad, other) = (Digest::of(b"bad"), Digest::of(b"other"));
        for (times, expected) in [
            (&[100, 200][..], false),
            (&[100, 400, 700], true),
            (&[100, 400, 701], false),
            (&[100, 400, 701, 1000], true),
            // Long ago, and nobody has released it.
            (&[1, 2, 3, 100_000], true),
        ] {
            let mut lines: Vec<_> = times.iter().map(|at| (*at, bad, "p")).collect();
            lines.push((700, other, "q"));
            let (_dir, path) = record(&lines);
            let crashes = Crashes::open(&path).unwrap();
            assert_eq!(crashes.quarantine(bad).is_some(), expected, "{times:?}");
            assert_eq!(crashes.quarantine(other), None);
        }
    }

    #[test]
    fn a_released_plugin_has_never_crashed() {
        let (bad, other) = (Digest::of(b"bad"), Digest::of(b"other"));
        let (_dir, path) = record(&[(1, bad, "p"), (2, other, "q"), (3, bad, "p"), (4, bad, "p")]);
        let mut crashes = Crashes::open(&path).unwrap();
        assert_eq!(crashes.plugins(), ["p", "q"]);
        assert!(crashes.quarantine(bad).is_some());
        assert_eq!(crashes.release("p").unwrap(), 3);
        assert_eq!(crashes.release("p").unwrap(), 0);
        let again = Crashes::open(&path).unwrap();
        assert_eq!((again.quarantine(bad), again.plugins()), (None, vec!["q"]));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("2 {other} q SIGSEGV\n"));
    }

    #[test]
    fn only_a_file_of_our_own() {
        let (dir, path) = record(&[]);
        Crashes::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let error = Crashes::open(&path).unwrap_err().to_string();
        assert!(error.contains("mode 0666 lets others"), "{error}");
        let missing = dir.path().join("no/such");
        let error = Crashes::open(&missing).unwrap_err().to_string();
        assert!(error.starts_with("plugins_crash_file /") && !error.contains('\n'), "{error}");
        assert!(Crashes::open(dir.path()).is_err(), "a directory");
    }
}
