//! The pid file: decimal, as go-guerrilla writes it, but locked, and removed at the end.
//!
//! *Trust*: whoever can open it can lock it, and so keep a daemon from starting: it is for its owner alone. Whoever owns it can
//! write any number: a process that is no guerrillad is never told anything.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Pid;

/// A pid file of this process; removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    lock: Flock<File>,
}

/// The pid file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another process has it locked.
    #[error("pid_file {}: another guerrillad is running with it; stop that one or choose another pid_file", .0.display())]
    Running(PathBuf),
    /// It cannot be opened or written.
    #[error("pid_file {}: {}; check the directory and its owner, or choose another with -p", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// What it names is no guerrillad.
    #[error("pid_file {}: names process {}, which is no guerrillad: nothing was done; see who writes that file", .0.display(), .1)]
    Foreign(PathBuf, i32),
}

impl PidFile {
    /// Writes the file. One left behind by a process that is gone is taken over: the lock went with that process.
    ///
    /// # Errors
    /// When a living process has it, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, PidFileError> {
        let failed = |error: io::Error| PidFileError::Io(path.to_owned(), error);
        // Whoever had it may remove it at its end, between our opening and our locking it.
        let mut lock = loop {
            let lock = lock(path)?;
            if is_at(&lock, path) {
                break lock;
            }
        };
        // One left behind by another version was for all to read. Where it is another user's, its mode is theirs to choose.
        let _ = lock.set_permissions(Permissions::from_mode(MODE));
        lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Whether it stands under this name, too: `./pid` is `pid`, and directories may be links.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        is_at(&self.lock, path)
    }

    /// Goes by this name from here on.
    pub fn call(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }
}

impl PidFile {
    /// The living process that has a pid file.
    ///
    /// # Errors
    /// When there is a file that cannot be read, or that names a process which is no guerrillad.
    pub fn holder(path: &Path) -> Result<Option<Pid>, PidFileError> {
        let failed = |error: io::Error| PidFileError::Io(path.to_owned(), error);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let text = io::read_to_string(&file).map_err(failed)?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            // Who could be meant is gone, and the number may be another's by now.
            Ok(_) => Ok(None),
            Err(_) => match text.trim().parse() {
                Ok(pid) if is_guerrillad(pid) => Ok(Some(Pid::from_raw(pid))),
                Ok(pid) => Err(PidFileError::Foreign(path.to_owned(), pid)),
                // It is being written.
                Err(_) => Ok(None),
            },
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody has put another in its place: that is not ours to remove.
        if !is_at(&self.lock, &self.path) {
            return;
        }
        // Where only root may remove it, it is emptied at least: the number will be another process's.
        if fs::remove_file(&self.path).is_err() {
            let _ = self.lock.set_len(0);
        }
    }
}

fn lock(path: &Path) -> Result<Flock<File>, PidFileError> {
    let failed = |error: io::Error| PidFileError::Io(path.to_owned(), error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        nix::errno::Errno::EWOULDBLOCK => PidFileError::Running(path.to_owned()),
        errno => failed(errno.into()),
    })
}

/// Whether this is the file that stands under that name. A link to it is another file, which the end would remove in its
/// place.
fn is_at(file: &File, path: &Path) -> bool {
    let same =
        |ours: Metadata, there: Metadata| (ours.dev(), ours.ino()) == (there.dev(), there.ino());
    file.metadata().and_then(|ours| Ok(same(ours, fs::symlink_metadata(path)?))).unwrap_or(false)
}

/// Whether a process runs our program, or the one that asks: a program with a daemon inside has a name of its own.
fn is_guerrillad(pid: i32) -> bool {
    // 0, 1 and negative numbers are ourselves, init and whole groups for kill(2).
    if pid <= 1 {
        return false;
    }
    let own = std::env::current_exe().ok();
    let names = [Some("guerrillad"), own.as_deref().and_then(file_name)];
    let is_one_of_them = |name: &str, length: usize| {
        names.iter().flatten().any(|known| known.get(..length).unwrap_or(known) == name)
    };
    let proc = PathBuf::from(format!("/proc/{pid}"));
    match fs::read_link(proc.join("exe")) {
        Ok(exe) => file_name(&exe).is_some_and(|name| {
            // An update has put another file in its place.
            is_one_of_them(name.strip_suffix(" (deleted)").unwrap_or(name), usize::MAX)
        }),
        // Another user's.
        Err(_) => fs::read_to_string(proc.join("comm"))
            .is_ok_and(|name| is_one_of_them(name.trim_end(), LONGEST_COMM)),
    }
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// Of the owner alone.
const MODE: u32 = 0o600;

/// Bytes of a name that the kernel keeps (proc(5)).
const LONGEST_COMM: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    /// One that ends while another starts: the file it removes is not the one that the other keeps.
    #[test]
    fn one_removed_under_way_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let done = std::sync::atomic::AtomicBool::new(false);
        let is_done = || done.load(std::sync::atomic::Ordering::Relaxed);
        std::thread::scope(|scope| {
            // Flocks are of open files: threads are as good as processes.
            scope.spawn(|| {
                while !is_done() {
                    drop(PidFile::create(&path));
                }
            });
            for _ in 0..2000 {
                if let Ok(file) = PidFile::create(&path) {
                    assert!(is_at(&file.lock, &path), "a file without a name");
                }
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn another_spelling_is_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("real")).unwrap();
        std::os::unix::fs::symlink("real", path("link")).unwrap();
        let mut file = PidFile::create(&path("real/pid")).unwrap();
        for same in ["real/pid", "./real/./pid", "link/pid", "real/../link/pid"] {
            assert!(file.is_at(&path(same)), "{same}");
        }
        std::os::unix::fs::symlink("pid", path("real/other")).unwrap();
        for other in ["real/other", "real", "pid", "nowhere/pid"] {
            assert!(!file.is_at(&path(other)), "{other}");
        }
        file.call(&path("link/pid"));
        drop(file);
        assert!(!path("real/pid").exists());
    }

    #[test]
    fn one_that_has_taken_its_place_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let file = PidFile::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
    }

    /// Whoever can open it can lock it.
    #[test]
    fn it_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        for left_behind in [false, true] {
            if left_behind {
                fs::write(&path, "1").unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            }
            let file = PidFile::create(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            drop(file);
        }
    }

    #[test]
    fn a_number_that_is_no_daemons_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let file = PidFile::create(&path).unwrap();
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        for foreign in [-1, 0, 1, -4711, i32::MAX, other.id().cast_signed()] {
            fs::write(&path, foreign.to_string()).unwrap();
            let refused = PidFile::holder(&path).unwrap_err().to_string();
            assert!(refused.contains(&format!("names process {foreign}, ")), "{refused}");
        }
        other.kill().unwrap();
        other.wait().unwrap();
        drop(file);
    }

    #[test]
    fn written_locked_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        fs::write(&path, "99999999999 left behind").unwrap();
        let file = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        assert_eq!(PidFile::holder(&path).unwrap(), Some(Pid::this()));
        let second = PidFile::create(&path).unwrap_err().to_string();
        assert!(second.contains("another guerrillad is running"), "{second}");
        drop(file);
        assert!(!path.exists());
        assert_eq!(PidFile::holder(&path).unwrap(), None);
        fs::write(&path, "1").unwrap();
        assert_eq!(PidFile::holder(&path).unwrap(), None, "left behind");
    }
}
