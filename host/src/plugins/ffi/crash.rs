//! The last words of a process that dies in a plugin: which one it was.
//!
//! A signal that means a crash, and `exit` called by anybody but the daemon itself, are told of in one line on the
//! standard error output. A signal then takes its course: the core dump is that of the crash. After `exit` the status is
//! [`EXITED`] whatever the caller wanted: a 0 would be taken for an end that the operator has asked for, and nobody would
//! start the daemon again.
//!
//! # Limits
//!
//! Known is the plugin that is being called on the thread that crashes. A thread that a plugin has started by itself is
//! `outside of plugins`; the line names the thread.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::host;
use super::instance::Origin;
use crate::plugins::crashes::{CrashFileError, Crashes};

/// From now on the end of this process in a plugin is told of. Further calls do nothing.
///
/// For the thread's stack to be the one that has overflowed there is an alternate one: Rust gives one to each thread it
/// starts.
///
/// # Errors
/// The system's.
pub fn attribute_crashes() -> io::Result<()> {
    static ONCE: Once = Once::new();
    let mut outcome = Ok(());
    ONCE.call_once(|| outcome = install());
    outcome
}

/// The daemon ends by itself from here on: `exit` is no news.
pub fn end_is_expected() {
    EXPECTED.store(true, Ordering::Release);
}

static EXPECTED: AtomicBool = AtomicBool::new(false);

fn install() -> io::Result<()> {
    let handler = SigHandler::Handler(last_words);
    let action = SigAction::new(handler, SaFlags::SA_ONSTACK, SigSet::empty());
    for signal in FATAL {
        // SAFETY: the handler does nothing but what a signal handler may: it reads a thread-local without
        // initialiser or destructor, fills a buffer on its stack, and calls functions that are async-signal-safe.
        unsafe { sigaction(signal, &action) }?;
    }
    // SAFETY: the function is there for as long as the process, and does not unwind.
    if unsafe { libc::atexit(told_to_end) } != 0 {
        return Err(io::Error::other("atexit has no room"));
    }
    Ok(())
}

/// What a crash looks like.
const FATAL: [Signal; 4] = [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGABRT, Signal::SIGILL];

extern "C" fn last_words(signal: libc::c_int) {
    let name = match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGABRT => "SIGABRT",
        _ => "SIGILL",
    };
    tell(name);
    // SAFETY: both are async-signal-safe. The signal is blocked while its handler runs, so it is taken again, by the
    // default action, at the place where it came: there the core dump begins.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

extern "C" fn told_to_end() {
    if !EXPECTED.load(Ordering::Acquire) {
        tell("exit()");
        // SAFETY: async-signal-safe, and does not return. What other exit handlers would do is of no use to a process
        // whose threads still work.
        unsafe { libc::_exit(EXITED) };
    }
}

/// Status of a daemon that a plugin has ended by `exit` (EX_SOFTWARE).
const EXITED: libc::c_int = 70;

/// Writes the line. Never: allocates, locks, panics.
fn tell(what: &str) {
    let mut line = Line { bytes: [0; 512], len: 0 };
    line.add(b"FATAL: ");
    line.add(what.as_bytes());
    if let Some(culprit) = host::culprit() {
        line.add(b" ");
        line.add(culprit.place.as_bytes());
        record(what, culprit.origin.as_ref());
    } else {
        line.add(b" outside of plugins (thread ");
        let mut name = [0_u8; 16];
        // SAFETY: the kernel writes at most 16 bytes, the last one 0.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        line.add(name.split(|byte| *byte == 0).next().unwrap_or_default());
        line.add(b")");
    }
    line.write(libc::STDERR_FILENO);
}

/// Writes down which file it was, should there be a record. Never: allocates, locks, panics.
fn record(what: &str, origin: Option<&Origin>) {
    let (fd, Some(origin)) = (RECORD.load(Ordering::Acquire), origin) else { return };
    if fd < 0 || origin.file.sha256.is_empty() {
        return;
    }
    // SAFETY: async-signal-safe; with a null pointer it only returns the time.
    let now = unsafe { libc::time(std::ptr::null_mut()) };
    let mut line = Line { bytes: [0; 512], len: 0 };
    line.add_number(u64::try_from(now).unwrap_or_default());
    for word in [origin.file.sha256.as_str(), origin.plugin, what] {
        line.add(b" ");
        line.add(word.as_bytes());
    }
    line.write(fd);
}

/// From now on a crash in a plugin is written to this record. The last call counts.
///
/// # Errors
/// There are no more descriptors.
pub fn record_crashes(record: &Crashes) -> Result<(), CrashFileError> {
    let new = record.descriptor()?.into_raw_fd();
    if let Err(old) = RECORD.compare_exchange(-1, new, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: both are open. The number that a handler may be writing to stays open and means the new file from now on.
        // The new number came out of its owner a moment ago, and nobody else has it.
        drop(unsafe {
            libc::dup3(new, old, libc::O_CLOEXEC);
            OwnedFd::from_raw_fd(new)
        });
    }
    Ok(())
}

/// Where the record is open, for ever.
static RECORD: AtomicI32 = AtomicI32::new(-1);

/// A line on the stack.
struct Line {
    bytes: [u8; 512],
    len: usize,
}

impl Line {
    /// Adds as much of a text as there is room for; one byte is left for the end.
    fn add(&mut self, text: &[u8]) {
        let room = self.bytes.len() - 1 - self.len;
        let text = &text[..text.len().min(room)];
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// Adds a number in decimal.
    fn add_number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.add(&digits[at..]);
    }

    fn write(mut self, fd: libc::c_int) {
        self.bytes[self.len] = b'\n';
        // SAFETY: so many bytes are there. One call, so that the line is not torn apart by other threads' lines.
        unsafe { libc::write(fd, self.bytes.as_ptr().cast(), self.len + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_the_formatter() {
        for number in [0, 7, 10, 1_795_385_000, u64::MAX] {
            let mut line = Line { bytes: [0; 512], len: 0 };
            line.add_number(number);
            assert_eq!(&line.bytes[..line.len], number.to_string().as_bytes());
        }
    }
}
