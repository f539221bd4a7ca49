//! The connections: one for each thread that writes, kept between batches.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::session::Session;

/// A connection and the runtime that drives it.
pub(crate) struct Lane {
    /// Dropped before the runtime that it belongs to.
    pub(crate) open: Option<Open>,
    pub(crate) runtime: Runtime,
}

/// An open connection.
pub(crate) struct Open {
    pub(crate) session: Session,
    pub(crate) since: Instant,
}

impl Open {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, since: Instant::now() }
    }
}

/// Those that nobody uses at the moment.
pub(crate) struct Lanes {
    idle: Mutex<Vec<Lane>>,
    /// Connections that are kept open while idle.
    most_idle: usize,
    lifetime: Option<Duration>,
}

impl Lanes {
    pub(crate) fn new(most_idle: usize, lifetime: Option<Duration>) -> Self {
        Self { idle: Mutex::default(), most_idle, lifetime }
    }

    /// One that nobody uses, with an open connection if there is such a one.
    pub(crate) fn take(&self) -> io::Result<Lane> {
        let found = self.idle().pop();
        let mut lane = match found {
            Some(lane) => lane,
            None => {
                Lane { open: None, runtime: Builder::new_current_thread().enable_all().build()? }
            }
        };
        let is_old = |open: &Open| self.lifetime.is_some_and(|most| open.since.elapsed() >= most);
        if lane.open.as_ref().is_some_and(is_old) {
            lane.close();
        }
        Ok(lane)
    }

    pub(crate) fn put_back(&self, mut lane: Lane) {
        let open = self.idle().iter().filter(|lane| lane.open.is_some()).count();
        if open >= self.most_idle {
            lane.close();
        }
        let mut idle = self.idle();
        idle.push(lane);
        // The last one is taken first: let it be an open one.
        idle.sort_by_key(|lane| lane.open.is_some());
    }

    /// Closes all of them.
    pub(crate) fn close(&self) {
        for mut lane in std::mem::take(&mut *self.idle()) {
            lane.close();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let farewell = async { timeout(FAREWELL, open.session.close()).await };
            // A server that is gone does not answer, and is not waited for.
            let _ = self.runtime.block_on(farewell);
        }
    }
}

/// How long closing may take.
const FAREWELL: Duration = Duration::from_millis(500);
