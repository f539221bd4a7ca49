//! One place that lines go to: a queue, a thread that empties it, and a file that can be opened anew.
//!
//! *Never*: a slow or full disk holds mail up, or ends the daemon. Lines that find the queue full or that cannot be
//! written are counted, and the number is written as soon as something can be.
//!
//! *Limits*: lines in the queue are lost when the process is killed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::LogError;
use super::line::Form;
use crate::config::LogTarget;

/// A place that lines go to. What is queued is written when it is dropped.
pub(super) struct Output {
    pub(super) target: LogTarget,
    pub(super) queue: NonBlocking,
    place: Arc<Place>,
    /// None: it is closed.
    worker: Mutex<Option<WorkerGuard>>,
}

impl Output {
    /// Opens a target; `None` when lines go nowhere.
    pub(super) fn open(target: &LogTarget, form: &Form) -> Result<Option<Arc<Self>>, LogError> {
        let writer: Box<dyn Write + Send> = match target {
            LogTarget::Off => return Ok(None),
            LogTarget::Stderr => Box::new(io::stderr()),
            LogTarget::Stdout => Box::new(io::stdout()),
            LogTarget::File(path) => Box::new(BufWriter::new(append(path)?)),
        };
        // Where no more threads are to be had, the queue would panic.
        let threads = thread::Builder::new().name("log".to_owned()).spawn(|| ());
        threads.map_err(|source| LogError {
            path: match target {
                LogTarget::File(path) => path.clone(),
                LogTarget::Stdout => "stdout".into(),
                LogTarget::Stderr | LogTarget::Off => "stderr".into(),
            },
            source,
        })?;
        Ok(Some(Arc::new(Self::over(target, writer, form))))
    }

    fn over(target: &LogTarget, writer: Box<dyn Write + Send>, form: &Form) -> Self {
        let place = Arc::new(Place {
            writer: Mutex::new(writer),
            form: form.clone(),
            overflow: OnceLock::new(),
            told: AtomicUsize::new(0),
            unwritten: AtomicUsize::new(0),
        });
        let (queue, worker) =
            NonBlockingBuilder::default().thread_name("log").finish(Emptying(Arc::clone(&place)));
        // Set once, here.
        let _ = place.overflow.set(queue.error_counter());
        Self { target: target.clone(), queue, place, worker: Mutex::new(Some(worker)) }
    }

    /// Writes what is queued and ends the thread, whoever still has the output in hand: a reload may hang, and never let go
    /// of it. A place that takes nothing (a pipe whose reader has stopped) is waited for a second or so: it does not keep the
    /// daemon from ending.
    pub(super) fn close(&self) {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(worker);
        // Whoever has the lock now is the thread, in the middle of a line.
        let writer = self.place.writer.try_lock();
        let _ = match writer {
            Ok(mut writer) => writer.flush(),
            Err(TryLockError::Poisoned(writer)) => writer.into_inner().flush(),
            Err(TryLockError::WouldBlock) => Ok(()),
        };
    }

    /// Opens the file of that name anew: the old one has been moved away. `false` when it is no file.
    pub(super) fn reopen(&self) -> Result<bool, LogError> {
        let LogTarget::File(path) = &self.target else { return Ok(false) };
        let file = append(path)?;
        let mut writer = self.place.lock();
        // What does not go into the old file now would be lost without a trace with it.
        let _ = writer.flush();
        *writer = Box::new(BufWriter::new(file));
        Ok(true)
    }
}

/// The end of the queue.
struct Place {
    writer: Mutex<Box<dyn Write + Send>>,
    form: Form,
    /// Lines that have found the queue full.
    overflow: OnceLock<ErrorCounter>,
    /// How many of them have been told of.
    told: AtomicUsize,
    /// Lines that could not be written since the last one that could.
    unwritten: AtomicUsize,
}

/// What the queue's thread writes to.
struct Emptying(Arc<Place>);

impl Place {
    fn lock(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &[u8]) {
        let mut writer = self.lock();
        self.tell_losses(&mut **writer);
        if writer.write_all(line).is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tell_losses(&self, writer: &mut dyn Write) {
        let overflow = self.overflow.get().map_or(0, ErrorCounter::dropped_lines);
        let told = self.told.swap(overflow, Ordering::Relaxed);
        if overflow > told {
            let lost = overflow - told;
            let text = format!("{lost} lines are lost here: the log's queue was full");
            let _ = writer.write_all(self.form.warning(&text).as_bytes());
        }
        let unwritten = self.unwritten.load(Ordering::Relaxed);
        if unwritten > 0 {
            let text = format!("{unwritten} lines are lost here: they could not be written");
            let line = self.form.warning(&text);
            if writer.write_all(line.as_bytes()).and_then(|()| writer.flush()).is_ok() {
                self.unwritten.fetch_sub(unwritten, Ordering::Relaxed);
            }
        }
    }
}

impl Write for Emptying {
    /// Never fails: the queue would drop the line without a word.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line);
        Ok(line.len())
    }

    /// When the queue is empty. A buffer that cannot be written stays, and the next line tries again.
    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.lock().flush();
        Ok(())
    }
}

fn append(path: &Path) -> Result<File, LogError> {
    // A named pipe that nobody reads is an error at once, and not a daemon that waits for a reader.
    let opened = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .and_then(|file| {
            fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
            Ok(file)
        });
    opened.map_err(|source| LogError { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;

    /// A disk that can be full.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            if disk.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            if self.0.lock().unwrap().0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_told_of_when_one_can() {
        let disk = Disk::default();
        let output = Output::over(&LogTarget::Stderr, Box::new(disk.clone()), &Form::default());
        output.place.write(b"one\n");
        disk.0.lock().unwrap().0 = true;
        output.place.write(b"two\n");
        output.place.write(b"three\n");
        disk.0.lock().unwrap().0 = false;
        output.place.write(b"four\n");
        let text = String::from_utf8(disk.0.lock().unwrap().1.clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[2], lines.len()), ("one", "four", 3), "{text}");
        assert!(lines[1].ends_with("2 lines are lost here: they could not be written"), "{text}");
    }

    #[test]
    fn lines_that_find_the_queue_full_are_told_of() {
        let disk = Disk::default();
        let output = Output::over(&LogTarget::Stderr, Box::new(disk.clone()), &Form::default());
        // The thread that empties the queue waits for this, with one line in hand.
        let busy = output.place.lock();
        let mut queue = output.queue.clone();
        let most = tracing_appender::non_blocking::DEFAULT_BUFFERED_LINES_LIMIT;
        for _ in 0..most + 100 {
            queue.write_all(b"x\n").unwrap();
        }
        drop(busy);
        let text = || String::from_utf8(disk.0.lock().unwrap().1.clone()).unwrap();
        let written = |text: &str| text.lines().filter(|line| *line == "x").count();
        // The end waits for a second at most, which is not enough everywhere.
        let deadline = Instant::now() + Duration::from_secs(120);
        while written(&text()) + queue.error_counter().dropped_lines() < most + 100 {
            assert!(Instant::now() < deadline, "the queue is not emptied");
            thread::sleep(Duration::from_millis(10));
        }
        drop(queue);
        drop(output);
        let text = text();
        let told = text.lines().find(|line| line.contains("the log's queue was full"));
        let lost = told.and_then(|line| line.split(" WARN  ").nth(1)?.split(' ').next());
        let lost: usize = lost.expect("a line").parse().unwrap();
        assert!((98..=100).contains(&lost), "{lost}");
        assert_eq!(lost + written(&text), most + 100);
    }

    #[test]
    fn what_is_queued_is_written_although_somebody_holds_the_output() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let output = Output::open(&LogTarget::File(path.clone()), &Form::default());
        let output = output.unwrap().unwrap();
        let _held = Arc::clone(&output);
        output.queue.clone().write_all(b"last words\n").unwrap();
        output.close();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "last words\n");
    }

    /// A pipe that nobody reads any more.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_place_that_takes_nothing_keeps_nobody_from_ending() {
        let (reader, stuck) = mpsc::channel();
        let output = Output::over(&LogTarget::Stderr, Box::new(Stuck(stuck)), &Form::default());
        output.queue.clone().write_all(b"last words\n").unwrap();
        let (closed, ends) = mpsc::channel();
        thread::spawn(move || {
            output.close();
            closed.send(()).unwrap();
        });
        let ended = ends.recv_timeout(Duration::from_secs(60));
        drop(reader);
        ended.expect("it ends although a line is being written");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
        let output =
            Output::open(&LogTarget::File(path.clone()), &Form::default()).unwrap().unwrap();
        output.place.write(b"before\n");
        std::fs::rename(&path, &moved).unwrap();
        output.place.write(b"still before\n");
        assert!(output.reopen().unwrap());
        output.place.write(b"after\n");
        drop(output);
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "before\nstill before\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "after\n");
    }
}
