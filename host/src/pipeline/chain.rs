//! All chains of one configuration, and asking them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use guerrilla_plugin_abi::{Event, Phase};

use super::decision::{Decision, Kind};
use super::retire::{Retiring, Running, millis};
use super::run::{Inline, Run};
use super::stage::Stage;
use super::survey::Deferred;
use crate::config::OnFailure;
use crate::mail::{Timings, Transaction};
use crate::observe::Route;

/// All chains of one configuration.
pub(crate) struct Pipeline {
    pub(super) connect: Vec<Arc<Stage>>,
    pub(super) helo: Vec<Arc<Stage>>,
    pub(super) mail: Vec<Arc<Stage>>,
    pub(super) rcpt: Vec<Arc<Stage>>,
    pub(super) save: Vec<Arc<Stage>>,
    /// Every stage once.
    pub(super) stages: Vec<Arc<Running>>,
    /// Where stages go that no pipeline has any more.
    pub(super) retiring: Arc<Retiring>,
    /// Questions that are answered 4xx without asking anybody, for one who is to be asked is not there.
    pub(super) deferred: Vec<Deferred>,
    /// For the save chain (`gw_save_timeout`).
    pub(super) save_timeout: Duration,
    /// For the others (`gw_val_rcpt_timeout`).
    pub(super) rcpt_timeout: Duration,
}

/// The answer to a question, and the transaction to go on with.
pub(crate) struct Asked {
    /// The same one, or a spare.
    pub(crate) txn: Box<Transaction>,
    /// What the chain came to.
    pub(crate) decision: Decision,
}

impl Pipeline {
    /// Whether anybody is asked in this phase.
    pub(crate) fn asks(&self, phase: Phase) -> bool {
        !self.chain(phase).is_empty() || self.defers(phase)
    }

    /// Whether a stage of the save chain fulfils an ESMTP extension (`dsn`, `requiretls`).
    pub(crate) fn honours(&self, extension: &str) -> bool {
        self.save.iter().any(|stage| stage.honours.iter().any(|own| own == extension))
    }

    /// Asks the chain of this phase. Answers within its deadline, or when a commit that had begun by then has ended.
    pub(crate) async fn ask(self: &Arc<Self>, phase: Phase, mut txn: Box<Transaction>) -> Asked {
        if !self.asks(phase) {
            return Asked { txn, decision: Decision::bare(Kind::Accept) };
        }
        if self.defers(phase) {
            return Asked { txn, decision: Decision::bare(Kind::Defer) };
        }
        let limit = if phase == Phase::SAVE { self.save_timeout } else { self.rcpt_timeout };
        let deadline = Instant::now() + limit;
        txn.deadline = Some(deadline);
        // A spare is made of it before the first stage is asked, and depends on the phase.
        txn.phase = phase;
        let timed = phase == Phase::SAVE && tracing::enabled!(tracing::Level::INFO);
        txn.timings = timed.then(Timings::begin);
        match Run::new(phase).inline(self, txn) {
            Inline::Settled(asked) => asked,
            // Boxed, so that idle connections do not carry the room for it.
            Inline::Unsettled(run, rest, spare) => {
                Box::pin(run.with_deadline(self, rest, spare, deadline)).await
            }
        }
    }

    /// Tells every stage that wants to know of a connection's begin or end. Nobody waits for them.
    pub(crate) fn tell(
        self: &Arc<Self>,
        event: Event,
        mut txn: Box<Transaction>,
    ) -> Box<Transaction> {
        for running in self.stages.iter().filter(|running| running.stage.wants(event)) {
            if running.stage.is_inline() {
                txn = running.stage.tell_inline(event, txn).0;
            } else {
                // A reload does not stop it before it has heard.
                let (running, copy) = (Arc::clone(running), txn.spare());
                Route::spawn(async move { running.stage.tell(event, copy).await.is_ok() });
            }
        }
        txn
    }

    /// Why a question of a mail session is answered 4xx without asking anybody, whoever comes.
    pub(crate) fn deferred(&self) -> Option<&str> {
        self.deferred.first().map(|deferred| deferred.why.as_str())
    }

    /// A stage that the save chain leaves alone for now, for it has failed too often, and without which no mail is kept.
    pub(crate) fn paused(&self) -> Option<&str> {
        let is_missed = |stage: &&Arc<Stage>| {
            let breaker = &stage.breaker;
            let goes_on = breaker.policy.of(breaker.last()) == OnFailure::Continue;
            !goes_on && breaker.is_open(Instant::now)
        };
        self.save.iter().find(is_missed).map(|stage| stage.name())
    }

    /// The stages that are not those of the previous pipeline only because a file that their settings name has changed,
    /// each with that file.
    pub(crate) fn renewed_since<'a>(
        &'a self,
        previous: &'a Self,
    ) -> impl Iterator<Item = (&'a str, &'a Path)> {
        self.stages.iter().filter_map(|running| {
            let new = &running.stage.blueprint;
            let mut old = previous.stages.iter().map(|running| &running.stage.blueprint);
            Some((new.name.as_str(), old.find_map(|old| old.renewed_file(new))?))
        })
    }

    /// Names of the stages that are asked in this phase, in order.
    pub(crate) fn names(&self, phase: Phase) -> impl Iterator<Item = &str> {
        self.chain(phase).iter().map(|stage| stage.name())
    }

    /// Ends all stages, and waits for those that have left earlier.
    pub(crate) fn stop(&self, deadline: Duration) {
        for running in &self.stages {
            running.stage.stop(millis(deadline));
        }
        self.retiring.wait(deadline);
    }

    /// What keeps a stage of this pipeline from being stopped, for who calls it when no message waits for it any more.
    pub(super) fn keep(&self, stage: &Arc<Stage>) -> Option<Arc<Running>> {
        self.stages.iter().find(|running| Arc::ptr_eq(&running.stage, stage)).cloned()
    }

    fn defers(&self, phase: Phase) -> bool {
        self.deferred.iter().any(|deferred| deferred.phase == phase)
    }

    pub(super) fn chain(&self, phase: Phase) -> &[Arc<Stage>] {
        match phase {
            Phase::CONNECT => &self.connect,
            Phase::HELO => &self.helo,
            Phase::MAIL => &self.mail,
            Phase::RCPT => &self.rcpt,
            _ => &self.save,
        }
    }
}
