//! What the admin interface may look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::net::{Policy, Server};

/// A daemon, as far as it may be looked at while it runs.
#[derive(Clone)]
pub(crate) struct Daemon {
    /// Who serves the next client, by listener.
    pub(crate) servers: Arc<ArcSwap<Vec<Arc<Server>>>>,
    /// What the next transaction goes by.
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    /// How reloads have ended.
    pub(crate) reloads: Arc<Reloads>,
}

/// How reloads have ended.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    done: AtomicU64,
    refused: AtomicU64,
}

impl Reloads {
    /// One has been done, or has changed nothing.
    pub(crate) fn note(&self, done: bool) {
        let count = if done { &self.done } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Done, refused.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
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
        let stage = policy.pipeline.paused()?;
        Some(format!("{stage} has failed too often and is not called for now"))
    }
}
