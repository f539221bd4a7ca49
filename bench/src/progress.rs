//! What is shown while it runs: figures of all threads, and one line a second.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Figures that every thread adds to.
#[derive(Debug, Default)]
pub struct Progress {
    /// Messages taken.
    pub accepted: AtomicU64,
    /// Messages refused or lost.
    pub failed: AtomicU64,
    /// Connections that carry load.
    pub open: AtomicU64,
    /// Connections that are held idle.
    pub idle: AtomicU64,
    /// Sessions that were greeted.
    pub sessions: AtomicU64,
    /// Nothing more is to be shown.
    pub done: AtomicBool,
}

impl Progress {
    /// Writes to standard error until [`Progress::done`]: a line a second unless `quiet`, and a line when all of
    /// `idle` connections are there, which whoever measures the server's memory waits for.
    pub fn show(&self, idle: u64, quiet: bool) {
        let (started, mut last, mut all_idle) = (Instant::now(), (Instant::now(), 0), idle == 0);
        let terminal = io::stderr().is_terminal();
        while !self.done.load(Relaxed) {
            std::thread::park_timeout(Duration::from_millis(50));
            if !all_idle && self.idle.load(Relaxed) >= idle {
                all_idle = true;
                say(&format!("{idle} idle connections are open\n"));
            }
            if !quiet && last.0.elapsed() >= Duration::from_secs(1) {
                let accepted = self.accepted.load(Relaxed);
                let rate = (accepted - last.1) as f64 / last.0.elapsed().as_secs_f64();
                last = (Instant::now(), accepted);
                let line = self.line(started.elapsed(), rate);
                say(&if terminal { format!("\r\x1b[K{line}") } else { format!("{line}\n") });
            }
        }
        if !quiet && terminal {
            say("\r\x1b[K");
        }
    }

    fn line(&self, elapsed: Duration, rate: f64) -> String {
        format!(
            "{:4} s  {rate:8.0} messages/s  {} accepted  {} failed  {} sessions  {} connections, {} idle",
            elapsed.as_secs(),
            self.accepted.load(Relaxed),
            self.failed.load(Relaxed),
            self.sessions.load(Relaxed),
            self.open.load(Relaxed),
            self.idle.load(Relaxed),
        )
    }
}

fn say(text: &str) {
    // Nobody to tell that nobody listens.
    let _ = io::stderr().write_all(text.as_bytes());
}
