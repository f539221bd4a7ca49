//! Proof of life for the service manager's watchdog (`WATCHDOG_USEC`).
//!
//! It is given when every thread that serves connections has had a turn, so that a thread that hangs (in a processor
//! that says it never blocks, and does) is noticed as well as a process that does: the service manager ends it and
//! starts another.

use std::time::Duration;

use super::manager::Manager;
use crate::daemon::Pulse;

/// Goes on for as long as the daemon is alive. Without a watchdog it does nothing.
pub(crate) async fn feed(manager: Option<Manager>, pulse: Pulse) {
    let (Some(manager), Some(limit)) = (manager, sd_notify::watchdog_enabled()) else { return };
    // Twice within the limit is what systemd advises; once more for a busy machine.
    let pause = (limit / 3).max(SHORTEST);
    while pulse.beats().await {
        manager.alive();
        tokio::time::sleep(pause).await;
    }
}

/// Limits below a few of these make no sense.
const SHORTEST: Duration = Duration::from_millis(10);
