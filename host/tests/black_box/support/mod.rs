//! What the tests drive the daemon with.
//!
//! - [`process`]: a child process, its output, its end.
//! - [`daemon`]: a daemon with a generated configuration, and what it left on disk.
//! - [`client`]: raw SMTP.
//! - [`plugins`]: the plugin files, built as users build them.
//! - [`control`]: the other end of a plugin that waits for the test.
//! - [`usage`]: memory, processor time and descriptors of a process.

mod client;
mod control;
mod daemon;
mod plugins;
mod process;
mod usage;

use std::time::Duration;

pub(crate) use client::Client;
pub(crate) use control::Control;
pub(crate) use daemon::{Daemon, Setup, complaints};
pub(crate) use plugins::{Plugin, build_in};
pub(crate) use process::{Process, guerrillad, started};
pub(crate) use usage::Usage;

/// How long anything may take that is to happen at all; generous, for a machine that is busy with a build.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Says that a load may end when it is dropped, also by a failing test: whoever makes the load would not end otherwise.
pub(crate) struct EndOfLoad<'a>(pub(crate) &'a std::sync::atomic::AtomicBool);

impl Drop for EndOfLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
