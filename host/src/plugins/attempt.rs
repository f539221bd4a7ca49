//! A child process that tries what might end the process: how it ended, and what it had to say before.
//!
//! The child is this daemon's own program. It reports on its standard output; whatever else is written there, by
//! initialisers of a plugin, is passed over. Its process group is killed when it takes too long.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;

/// Runs a child until it has ended, at most for so long; its report.
///
/// # Errors
/// It did not run, did not end in time, or ended in another way than with a report and exit status 0.
pub(super) fn attempt<T: DeserializeOwned>(
    command: &mut Command,
    input: Vec<u8>,
    limit: Duration,
) -> Result<T, AttemptError> {
    let mut child = command
        // What `ps` shows; the program itself is usually named by `/proc/self/exe`.
        .arg0(OsStr::new("guerrillad"))
        // A group of its own: Ctrl-C in a terminal is not for it, and what it has forked goes with it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(AttemptError::Spawn)?;
    let output = talk(&mut child, input);
    let said = output.recv_timeout(limit);
    // It has not been waited for, so its number is still its own. If its output has ended because it is ending,
    // how it ends is settled already, and the signal changes nothing.
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let _ = killpg(group, Signal::SIGKILL);
    let ended = child.wait().map_err(AttemptError::Spawn)?;
    let said = said.map_err(|_| AttemptError::TimeOut(limit))?;
    judge(ended, &said)
}

/// Writes its input and collects its output, on threads: neither may block who watches the clock.
fn talk(child: &mut Child, input: Vec<u8>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stdin) = child.stdin.take() {
        // A child that does not read its input has ended, which is told by its status.
        thread::spawn(move || stdin.write_all(&input));
    }
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || sender.send(collect(stdout)));
    }
    receiver
}

/// The end of what it writes: the report is last.
fn collect(mut source: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = source.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    kept
}

fn judge<T: DeserializeOwned>(ended: ExitStatus, said: &[u8]) -> Result<T, AttemptError> {
    if let Some(signal) = ended.signal() {
        let name = Signal::try_from(signal).map_or("an unknown signal", Signal::as_str);
        return Err(AttemptError::Signal(name));
    }
    let status = ended.code().unwrap_or_default();
    let mut lines = said.split(|byte| *byte == b'\n');
    let report = lines.find_map(|line| line.strip_prefix(MARK.as_bytes()));
    match report.and_then(|report| serde_json::from_slice(report).ok()) {
        Some(report) if status == 0 => Ok(report),
        _ => Err(AttemptError::Exit(status)),
    }
}

/// The child's side: says what it has found.
pub(super) fn report<T: serde::Serialize>(what: &T) -> io::Result<()> {
    let text = serde_json::to_string(what)?;
    let mut stdout = io::stdout().lock();
    // A line of its own whatever was written before.
    writeln!(stdout, "\n{MARK}{text}")?;
    stdout.flush()
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The system did not let it run.
    #[error("cannot be tried in a child process: {0}; let the daemon start its own program")]
    Spawn(io::Error),
    /// A signal ended it.
    #[error(
        "crashed a child process that tried it ({0}), expected it to survive; debug it with its author"
    )]
    Signal(&'static str),
    /// It ended before it could report, or badly after.
    #[error(
        "ended a child process that tried it (exit status {0}), expected it to return; remove its call of exit"
    )]
    Exit(i32),
    /// It had to be killed.
    #[error(
        "hung a child process that tried it for {0:?}, expected it to return at once; remove what its initialisers wait for"
    )]
    TimeOut(Duration),
}

impl AttemptError {
    /// Stable name of the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Spawn(_) => "plugin.probe",
            Self::Signal(_) => "plugin.probe_crash",
            Self::Exit(_) => "plugin.probe_exit",
            Self::TimeOut(_) => "plugin.probe_timeout",
        }
    }
}

/// What the line of a report begins with.
const MARK: &str = "guerrillad-report: ";

/// How much of its output is kept at least, in bytes: more than any report.
const KEPT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Result<u32, AttemptError> {
        attempt(Command::new("sh").args(["-c", script]), b"7\n".to_vec(), limit)
    }

    #[test]
    fn every_way_to_end() {
        let long = Duration::from_secs(60);
        let report = "read n; printf 'noise\\n\\nguerrillad-report: %s\\n' $n";
        assert_eq!(run(report, long).unwrap(), 7);
        let ended = |script: &str| run(script, long).unwrap_err().to_string();
        assert!(ended("kill -SEGV $$").contains("(SIGSEGV)"));
        assert!(ended("exit 0").contains("(exit status 0)"));
        assert!(ended("echo guerrillad-report: nonsense").contains("(exit status 0)"));
        assert!(ended(&format!("{report}; exit 3")).contains("(exit status 3)"));
        assert!(ended(&format!("{report}; kill -ABRT $$")).contains("(SIGABRT)"));
    }

    #[test]
    fn what_hangs_is_killed_with_all_that_it_has_started() {
        let short = Duration::from_millis(50);
        for script in ["sleep 1000", "sleep 1000 & wait", "sleep 1000 & exit 0"] {
            let error = run(script, short).unwrap_err();
            assert!(matches!(error, AttemptError::TimeOut(_)), "{script}: {error}");
        }
    }

    #[test]
    fn what_has_closed_its_output_is_not_waited_for() {
        let error = run("exec >&-; sleep 1000", Duration::from_secs(60)).unwrap_err();
        assert!(matches!(error, AttemptError::Signal("SIGKILL")), "{error}");
    }

    #[test]
    fn any_amount_of_noise_is_passed_over() {
        let script = "head -c 9000000 /dev/zero; printf '\\nguerrillad-report: 5\\n'";
        assert_eq!(run(script, Duration::from_secs(60)).unwrap(), 5);
    }
}
