//! `maildir_user_file`: users in a file that may change while the daemon runs.
//!
//! A line holds one entry, `user=uid:gid` as in `maildir_user_map`; lines that begin with `#` are comments. The file is looked at
//! when mail comes, once a second at most. A change counts when two looks have seen the same file: one that is
//! still being written would lack users, whose mail would then be refused for good. A file that cannot
//! be used changes nothing; that is reported once.
//!
//! Limits: [`LARGEST`] bytes.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::user_map::{UserMap, UserMapError};

/// The users of a file.
pub(crate) struct UserFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    users: Arc<UserMap>,
    /// The file that was read last, whether it could be used or not.
    read: Option<Stamp>,
    /// The file at the last look.
    seen: Option<Stamp>,
    looked: Instant,
}

impl UserFile {
    /// Reads the file.
    pub(crate) fn open(path: &Path, now: Instant) -> Result<Self, UserFileError> {
        let stamp = Stamp::of(path).map_err(|e| UserFileError::io(path, e))?;
        let users = Arc::new(read(path)?);
        let state = State { users, read: Some(stamp), seen: Some(stamp), looked: now };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    /// The users as of now. `check` may object to new ones; `report` is told of each change and of each failure.
    pub(crate) fn users(
        &self,
        now: Instant,
        check: impl Fn(&UserMap) -> Result<(), String>,
        report: impl Fn(Result<&str, &str>),
    ) -> Arc<UserMap> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.looked) < BETWEEN_LOOKS {
            return Arc::clone(&state.users);
        }
        state.looked = now;
        let seen = Stamp::of(&self.path).ok();
        let is_quiet = seen == state.seen;
        state.seen = seen;
        if is_quiet && seen != state.read {
            state.read = seen;
            let read = read(&self.path).map_err(|e| e.to_string());
            match read.and_then(|users| check(&users).map(|()| users)) {
                Ok(users) => {
                    state.users = Arc::new(users);
                    report(Ok(&format!("{} has changed and was read", self.path.display())));
                }
                Err(e) => report(Err(&format!("{e}; the users stay as they were"))),
            }
        }
        Arc::clone(&state.users)
    }
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let meta: Metadata = fs::metadata(path)?;
        Ok(Self {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserFileError {
    #[error("maildir_user_file: cannot read {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("maildir_user_file: {path} is no plain file of at most {LARGEST} bytes")]
    NotPlain { path: PathBuf },
    #[error("maildir_user_file: {path}: {source}")]
    Entries { path: PathBuf, source: UserMapError },
}

impl UserFileError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

fn read(path: &Path) -> Result<UserMap, UserFileError> {
    let meta = fs::metadata(path).map_err(|e| UserFileError::io(path, e))?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(UserFileError::NotPlain { path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(|e| UserFileError::io(path, e))?;
    let entries = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    UserMap::of_entries(entries)
        .map_err(|source| UserFileError::Entries { path: path.to_owned(), source })
}

/// How often the file is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A million users fit in.
const LARGEST: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    struct Watched {
        file: UserFile,
        path: PathBuf,
        now: Instant,
        reports: RefCell<Vec<String>>,
        _root: tempfile::TempDir,
    }

    impl Watched {
        fn new(text: &str) -> Self {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("users");
            fs::write(&path, text).unwrap();
            let now = Instant::now();
            let file = UserFile::open(&path, now).unwrap();
            Self { file, path, now, reports: RefCell::default(), _root: root }
        }

        fn knows(&mut self, name: &str, after_ms: u64) -> bool {
            self.now += Duration::from_millis(after_ms);
            let check = |users: &UserMap| match users.find_listed("forbidden") {
                Some(_) => Err("forbidden".to_owned()),
                None => Ok(()),
            };
            let report = |what: Result<&str, &str>| {
                self.reports.borrow_mut().push(what.map_or_else(str::to_owned, str::to_owned));
            };
            self.file.users(self.now, check, report).find_listed(name).is_some()
        }
    }

    #[test]
    fn a_change_counts_when_it_is_at_rest() {
        let mut users = Watched::new("# who\na=-1:-1\n\n  b = -1:-1\n");
        assert!(users.knows("a", 0) && users.knows("B", 0));
        fs::write(&users.path, "a=-1:-1\nc=-1:-1\n").unwrap();
        assert!(!users.knows("c", 999), "not looked at yet");
        assert!(!users.knows("c", 1), "seen once");
        fs::write(&users.path, "a=-1:-1\nc=-1:-1\nd=-1:-1\n").unwrap();
        assert!(!users.knows("c", 1000), "changed again");
        assert!(users.knows("c", 1000) && users.knows("d", 0) && !users.knows("b", 0));
        assert_eq!(users.reports.borrow().len(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_used_changes_nothing_and_is_reported_once() {
        let mut users = Watched::new("a=-1:-1");
        for bad in ["a=-1:-1\nb=x:1", "", "forbidden=-1:-1\nb=1:1"] {
            users.reports.borrow_mut().clear();
            fs::write(&users.path, bad).unwrap();
            for _ in 0..4 {
                assert!(users.knows("a", 1000) && !users.knows("b", 0), "{bad:?}");
            }
            let reports = users.reports.borrow().clone();
            assert_eq!(reports.len(), 1, "{bad:?}: {reports:?}");
            assert!(reports[0].ends_with("stay as they were"), "{reports:?}");
        }
        users.reports.borrow_mut().clear();
        fs::remove_file(&users.path).unwrap();
        for _ in 0..4 {
            assert!(users.knows("a", 1000));
        }
        assert_eq!(users.reports.borrow().len(), 1);
        fs::write(&users.path, "b=-1:-1").unwrap();
        assert!(!users.knows("b", 1000) && users.knows("b", 1000));
    }

    #[test]
    fn only_plain_files_with_users_are_opened() {
        let root = tempfile::tempdir().unwrap();
        let open = |path: &Path| UserFile::open(path, Instant::now()).map(|_| ());
        assert!(matches!(open(root.path()), Err(UserFileError::NotPlain { .. })));
        assert!(matches!(open(&root.path().join("none")), Err(UserFileError::Io { .. })));
        let empty = root.path().join("empty");
        fs::write(&empty, "# nobody\n").unwrap();
        assert!(matches!(open(&empty), Err(UserFileError::Entries { .. })));
    }
}
