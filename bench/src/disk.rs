//! What a disk gives for durable messages, without a server: system calls alone, from as many threads as there would be clients.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

/// How messages are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// A file each, synced, moved into place, and the directory synced: Maildir
    Files,
    /// Appended to one file, which is synced for all that wait: the group commit of a database's log
    Log,
}

/// Who stores what for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Messages at the same time.
    pub threads: usize,
    /// How long new ones are begun.
    pub time: Duration,
    /// Octets of each.
    pub size: usize,
}

/// Durable messages a second.
pub fn measure(directory: &Path, way: Way, plan: &Plan) -> io::Result<f64> {
    let body = crate::letters::made_up(plan.size);
    match way {
        Way::Files => {
            let maildir = Maildir::make(directory)?;
            by_threads(plan, |number| maildir.store(number, &body))
        }
        Way::Log => {
            let log = Log::make(directory)?;
            by_threads(plan, |_| log.store(&body))
        }
    }
}

/// Calls `store` from all threads until the time is over, once at least; it is told a number that nobody else has.
fn by_threads(plan: &Plan, store: impl Fn(u64) -> io::Result<()> + Sync) -> io::Result<f64> {
    let (begun, count) = (Instant::now(), AtomicU64::new(0));
    let work = || -> io::Result<()> {
        loop {
            store(count.fetch_add(1, Relaxed))?;
            if begun.elapsed() >= plan.time {
                return Ok(());
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads).map(|_| scope.spawn(work)).collect();
        let ended: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended.into_iter().try_for_each(|result| {
            result.map_err(|_| io::Error::other("a thread that stores panicked"))?
        })
    })?;
    Ok(count.into_inner() as f64 / begun.elapsed().as_secs_f64())
}

/// `tmp` and `new`, as Maildir has them.
struct Maildir<'a> {
    root: &'a Path,
    new: File,
}

impl<'a> Maildir<'a> {
    fn make(root: &'a Path) -> io::Result<Self> {
        for name in ["tmp", "new"] {
            fs::create_dir_all(root.join(name))?;
        }
        Ok(Self { root, new: File::open(root.join("new"))? })
    }

    fn store(&self, number: u64, body: &[u8]) -> io::Result<()> {
        let (tmp, new) =
            (self.root.join(format!("tmp/{number}")), self.root.join(format!("new/{number}")));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&tmp)?;
        file.write_all(body)?;
        file.sync_all()?;
        fs::rename(tmp, new)?;
        self.new.sync_all()
    }
}

/// One file. Whoever finds nobody syncing does it, for all that have written by then; the others wait.
struct Log {
    file: File,
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Default)]
struct State {
    written: u64,
    durable: u64,
    syncing: bool,
}

impl Log {
    fn make(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let file = OpenOptions::new().append(true).create(true).open(directory.join("log"))?;
        Ok(Self { file, state: Mutex::default(), synced: Condvar::new() })
    }

    fn store(&self, body: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        (&self.file).write_all(body)?;
        state.written += 1;
        let mine = state.written;
        while state.durable < mine {
            if state.syncing {
                state = self.synced.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let all = state.written;
            state.syncing = true;
            drop(state);
            let result = self.file.sync_data();
            state = self.lock();
            state.syncing = false;
            if result.is_ok() {
                state.durable = all;
            }
            self.synced.notify_all();
            result?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_counted_is_stored() {
        let plan = Plan { threads: 5, time: Duration::from_millis(20), size: 3000 };
        for way in [Way::Files, Way::Log] {
            let directory = tempfile::tempdir().unwrap();
            assert!(measure(directory.path(), way, &plan).unwrap() > 0.0);
            match way {
                Way::Files => {
                    let new = fs::read_dir(directory.path().join("new")).unwrap();
                    let sizes: Vec<_> =
                        new.map(|file| file.unwrap().metadata().unwrap().len()).collect();
                    assert!(sizes.len() >= 5 && sizes.iter().all(|size| *size == 3000));
                }
                Way::Log => {
                    let size = fs::metadata(directory.path().join("log")).unwrap().len();
                    assert!(size >= 15_000 && size.is_multiple_of(3000));
                }
            }
        }
    }

    #[test]
    fn a_disk_that_cannot_be_written_is_an_error() {
        let plan = Plan { threads: 2, time: Duration::from_millis(1), size: 3000 };
        assert!(measure(Path::new("/proc/nothing"), Way::Files, &plan).is_err());
        assert!(measure(Path::new("/proc/nothing"), Way::Log, &plan).is_err());
    }
}
