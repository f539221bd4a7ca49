//! What the admin interface may look at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::reload::Requests;
use crate::mail::Budget;
use crate::net::shown::Shown;
use crate::net::{Policy, Server};

/// A daemon, as far as it may be looked at while it runs.
#[derive(Clone)]
pub(crate) struct Daemon {
    /// Who serves the next client, by listener.
    pub(crate) servers: Arc<ArcSwap<Vec<Arc<Server>>>>,
    /// What the next transaction goes by.
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    /// Memory for messages.
    pub(crate) budget: Arc<Budget>,
    /// How reloads have ended.
    pub(crate) reloads: Arc<Reloads>,
    /// Who reloads when asked to.
    pub(crate) requests: Arc<Requests>,
    /// What of the clients' doings may be looked at.
    pub(crate) shown: Arc<Shown>,
    /// When it began, since 1970.
    pub(crate) began: Duration,
}

/// How reloads have ended.
#[derive(Debug, Default)]
pub(crate) struct Reloads(Mutex<Outcomes>);

/// Reloads by outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) done: u64,
    /// They have changed nothing.
    pub(crate) refused: u64,
    pub(crate) last: Option<Outcome>,
}

/// How one has ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) done: bool,
    /// When, in seconds since 1970.
    pub(crate) at: i64,
}

impl Reloads {
    /// One has been done, or has changed nothing.
    pub(crate) fn note(&self, done: bool) {
        let mut outcomes = self.lock();
        let count = if done { &mut outcomes.done } else { &mut outcomes.refused };
        *count += 1;
        let at = i64::try_from(since_1970().as_secs()).unwrap_or_default();
        outcomes.last = Some(Outcome { done, at });
    }

    /// All that is known.
    pub(crate) fn read(&self) -> Outcomes {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Daemon {
    /// Why no mail is taken and kept now; none when it is.
    pub(crate) fn unready(&self) -> Option<String> {
        let servers = self.servers.load();
        if servers.is_empty() {
            return Some("no server is enabled, or the daemon is ending".to_owned());
        }
        let policy = self.policy.load();
        if let Some(why) = policy.pipeline.deferred() {
            return Some(why.to_owned());
        }
        let stage = policy.pipeline.paused()?;
        Some(format!("{stage} has failed too often and is not called for now"))
    }
}

/// The time now.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
