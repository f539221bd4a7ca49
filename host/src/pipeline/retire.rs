//! Ending the stages that a reload has left without a chain.
//!
//! A stage belongs to every pipeline that names it with the same settings, and transactions keep the pipeline they began
//! with. When the last pipeline of a stage is gone, nobody can ask it any more, and it is drained and stopped.
//!
//! *Limits*: a transaction that a plugin never gives back keeps its pipeline, and with it the stages, until the
//! process ends.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::stage::Stage;

/// A started stage, for as long as a pipeline has it.
pub(super) struct Running {
    pub(super) stage: Arc<Stage>,
    retiring: Arc<Retiring>,
}

impl Running {
    pub(super) fn new(stage: Arc<Stage>, retiring: &Arc<Retiring>) -> Arc<Self> {
        Arc::new(Self { stage, retiring: Arc::clone(retiring) })
    }
}

impl Drop for Running {
    /// The last transaction may end on a thread that serves others, and stopping may take long.
    fn drop(&mut self) {
        if self.stage.is_stopped() {
            return;
        }
        let (stage, leaving) = (Arc::clone(&self.stage), self.retiring.begin());
        let stop = move || {
            stage.stop(millis(LAST_WORK));
            tracing::info!("{}: its last message is done; stopped", stage.name());
            drop(leaving);
        };
        let name = format!("stop-{}", self.stage.name());
        if let Err(error) = thread::Builder::new().name(name).spawn(stop) {
            tracing::error!("{}: no thread to stop it on: {error}", self.stage.name());
        }
    }
}

/// How many stages are being stopped.
#[derive(Debug, Default)]
pub(crate) struct Retiring {
    leaving: Mutex<usize>,
    changed: Condvar,
}

impl Retiring {
    fn begin(self: &Arc<Self>) -> Leaving {
        *self.leaving.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Leaving(Arc::clone(self))
    }

    /// Waits until none is, at most so long.
    pub(crate) fn wait(&self, limit: Duration) {
        let leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether all have stopped or the time is up makes no difference to who waits: the process ends.
        let _ = self.changed.wait_timeout_while(leaving, limit, |leaving| *leaving > 0);
    }
}

/// One that is being stopped.
struct Leaving(Arc<Retiring>);

impl Drop for Leaving {
    fn drop(&mut self) {
        *self.0.leaving.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long a stage may take to finish what it has in hand: every message it was asked about has its answer.
const LAST_WORK: Duration = Duration::from_secs(30);
