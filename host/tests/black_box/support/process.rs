//! A child process: its output line by line, its end, and nothing left behind.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PATIENCE;

/// The daemon's binary with these arguments, in this directory.
pub(crate) fn guerrillad<I: IntoIterator<Item: AsRef<OsStr>>>(dir: &Path, args: I) -> Process {
    started(&[], Path::new(env!("CARGO_BIN_EXE_guerrillad")), dir, args)
}

/// The same with any build of the daemon, started by a program that executes what follows its own arguments, such as
/// `unshare --mount`.
pub(crate) fn started<I: IntoIterator<Item: AsRef<OsStr>>>(
    starter: &[String],
    program: &Path,
    dir: &Path,
    args: I,
) -> Process {
    let words = starter.iter().map(OsStr::new);
    let mut words = words.chain([program.as_os_str()]);
    let mut command = Command::new(words.next().expect("at least the daemon"));
    command.args(words).args(args).current_dir(dir);
    Process::spawn(command)
}

/// A running child. Dropped, it is killed; in a failing test its output is shown then.
pub(crate) struct Process {
    name: String,
    child: Child,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Process {
    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_with(command, Stdio::null())
    }

    /// With a listening socket as its standard input: it has a port from the start, which nobody else can have taken, and
    /// a client that is early waits in the socket's queue.
    pub(crate) fn spawn_listening(command: Command, socket: TcpListener) -> Self {
        Self::spawn_with(command, OwnedFd::from(socket).into())
    }

    fn spawn_with(mut command: Command, stdin: Stdio) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Output::of(child.stdout.take().expect("piped"));
        let stderr = Output::of(child.stderr.take().expect("piped"));
        Self { name: format!("{command:?}"), child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a pid"));
        kill(pid, signal).expect("the process has not been waited for");
    }

    /// Waits for the end. A process that ends closes its output, so there is nothing to poll.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.stdout.wait_for_end();
        self.stderr.wait_for_end();
        self.child.wait().expect("our own child")
    }

    /// Waits for the end; the exit code.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.wait().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Neither fails for a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
            eprintln!("---- {}\n{stdout}{stderr}----", self.name);
        }
    }
}

/// What a process has written to one of its outputs.
#[derive(Clone)]
pub(crate) struct Output(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    fn of(source: impl Read + Send + 'static) -> Self {
        let this = Self(Arc::default());
        let output = this.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { break };
                output.change(|written| {
                    written.lines.push(String::from_utf8_lossy(&line).into_owned());
                });
            }
            output.change(|written| written.ended = true);
        });
        this
    }

    /// All of it so far, as one text.
    pub(crate) fn text(&self) -> String {
        self.lock().lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// The lines so far that contain a text.
    pub(crate) fn with(&self, text: &str) -> Vec<String> {
        self.lock().lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Waits for the first line that contains a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_for_so_many(1, text).remove(0)
    }

    /// Waits until so many lines contain a text.
    #[track_caller]
    pub(crate) fn wait_for_so_many(&self, number: usize, text: &str) -> Vec<String> {
        let enough = |written: &Written| {
            written.lines.iter().filter(|line| line.contains(text)).count() >= number
        };
        drop(self.wait_until(|written| enough(written) || written.ended));
        let found = self.with(text);
        assert!(found.len() >= number, "not {number} lines with \"{text}\" in:\n{}", self.text());
        found
    }

    #[track_caller]
    fn wait_for_end(&self) {
        let ended = self.wait_until(|written| written.ended).is_some();
        assert!(ended, "still running after {PATIENCE:?}; it said:\n{}", self.text());
    }

    /// Waits until the condition holds; `None` when it does not in time.
    fn wait_until(&self, condition: impl Fn(&Written) -> bool) -> Option<MutexGuard<'_, Written>> {
        let deadline = Instant::now() + PATIENCE;
        let mut written = self.lock();
        while !condition(&written) {
            let left = deadline.checked_duration_since(Instant::now())?;
            written =
                self.0.1.wait_timeout(written, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(written)
    }

    fn change(&self, change: impl FnOnce(&mut Written)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
