//! What commands print.
//!
//! *Never*: a panic, which is what the standard library's macros do when nobody reads any more (`| head -1`) or the disk
//! is full.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints a line of the command's result. When it cannot be written that is told once, unless the reader has left, and
/// the rest is not tried.
pub(super) fn say(what: impl Display) {
    if is_lost() {
        return;
    }
    let mut out = io::stdout().lock();
    let Err(error) = writeln!(out, "{what}").and_then(|()| out.flush()) else { return };
    LOST.store(true, Ordering::Relaxed);
    if error.kind() != io::ErrorKind::BrokenPipe {
        complain(format_args!("cannot write to stdout: {error}"));
    }
}

/// Whether a part of the result could not be written: then the command has failed.
pub(super) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Says what went wrong, on one or several lines.
pub(super) fn complain(what: impl Display) {
    note(format_args!("guerrillad: {what}"));
}

/// Prints a line that does not belong to the result.
pub(super) fn note(what: impl Display) {
    // Nobody is left to tell when this cannot be written.
    let _ = writeln!(io::stderr(), "{what}");
}

static LOST: AtomicBool = AtomicBool::new(false);
