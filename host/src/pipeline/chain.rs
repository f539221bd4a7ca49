//! Running a chain within its deadline, and settling it.
//!
//! Stages that never block run on the caller's thread, without a task or an allocation. At the first one that
//! does (or that takes hold) the rest of the chain becomes a task of its own. When the deadline passes
//! the caller is answered at once and goes on with a spare transaction, while the task lives until the plugin has
//! returned: what was prepared must be undone, and a late success must be known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use guerrilla_plugin_abi::{Event, Phase, Status};
use tokio::sync::oneshot;

use super::decision::{Decision, Kind, Turn, merge_recipients, turn};
use super::stage::{Lost, Stage};
use crate::mail::Transaction;
use crate::plugins::ffi::Called;

/// All chains of one configuration.
pub(crate) struct Pipeline {
    pub(super) connect: Vec<Arc<Stage>>,
    pub(super) helo: Vec<Arc<Stage>>,
    pub(super) mail: Vec<Arc<Stage>>,
    pub(super) rcpt: Vec<Arc<Stage>>,
    pub(super) save: Vec<Arc<Stage>>,
    /// Every stage once.
    pub(super) stages: Vec<Arc<Stage>>,
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
        !self.chain(phase).is_empty()
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
        let limit = if phase == Phase::SAVE { self.save_timeout } else { self.rcpt_timeout };
        let deadline = Instant::now() + limit;
        txn.deadline = Some(deadline);
        // A spare is made of it before the first stage is asked, and depends on the phase.
        txn.phase = phase;
        let run = Run { pipeline: Arc::clone(self), phase, next: 0 };
        match run.inline(txn) {
            Inline::Settled(asked) => asked,
            Inline::Unsettled(run, rest) => run.with_deadline(rest, deadline).await,
        }
    }

    /// Tells every stage that wants to know of a connection's begin or end. Nobody waits for them.
    pub(crate) fn tell(
        self: &Arc<Self>,
        event: Event,
        mut txn: Box<Transaction>,
    ) -> Box<Transaction> {
        for stage in self.stages.iter().filter(|stage| stage.wants(event)) {
            if stage.is_inline() {
                txn = stage.tell_inline(event, txn).0;
            } else {
                let (stage, copy) = (Arc::clone(stage), txn.spare());
                tokio::spawn(async move { stage.tell(event, copy).await.is_ok() });
            }
        }
        txn
    }

    /// Ends all stages.
    pub(crate) fn stop(&self, deadline: Duration) {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        for stage in &self.stages {
            stage.stop(deadline_ms);
        }
    }

    fn chain(&self, phase: Phase) -> &[Arc<Stage>] {
        match phase {
            Phase::CONNECT => &self.connect,
            Phase::HELO => &self.helo,
            Phase::MAIL => &self.mail,
            Phase::RCPT => &self.rcpt,
            _ => &self.save,
        }
    }
}

/// One question on its way through a chain.
struct Run {
    pipeline: Arc<Pipeline>,
    phase: Phase,
    /// The stage to be asked next; all before it have been.
    next: usize,
}

/// Where the part on the caller's thread has got to.
enum Inline {
    Settled(Asked),
    Unsettled(Run, Rest),
}

/// What remains to be done, in a task.
enum Rest {
    /// The next stage is to be asked.
    Ask(Box<Transaction>),
    /// A stage has taken hold and will answer. The second is what the connection may go on with.
    Held(oneshot::Receiver<(Box<Transaction>, Status)>, Box<Transaction>),
    /// The stages have answered and are to be told how it ended.
    Settle(Box<Transaction>, Decision),
}

impl Run {
    fn chain(&self) -> &[Arc<Stage>] {
        self.pipeline.chain(self.phase)
    }

    /// The stages that were asked and want to hear how it ended.
    fn listeners(&self) -> Vec<Arc<Stage>> {
        let asked = if self.phase == Phase::SAVE { &self.chain()[..self.next] } else { &[] };
        asked.iter().filter(|stage| stage.wants(Event::SETTLED)).map(Arc::clone).collect()
    }

    /// Asks the stages that never block, as far as they come.
    fn inline(mut self, mut txn: Box<Transaction>) -> Inline {
        let decision = loop {
            let Some(stage) = self.chain().get(self.next).map(Arc::clone) else {
                break end_of_chain(&txn, self.phase);
            };
            if !stage.is_inline_in(self.phase) {
                return Inline::Unsettled(self, Rest::Ask(txn));
            }
            self.next += 1;
            match stage.ask_inline(self.phase, txn) {
                Called::Held(answer, spare) => {
                    return Inline::Unsettled(self, Rest::Held(answer, spare));
                }
                Called::Answered(back, status) => {
                    txn = back;
                    if let Some(decision) = answered(&stage, &mut txn, status) {
                        break decision;
                    }
                }
            }
        };
        if self.listeners().is_empty() {
            return Inline::Settled(Asked { txn, decision });
        }
        Inline::Unsettled(self, Rest::Settle(txn, decision))
    }

    /// Lets a task do the rest and waits for it until the deadline.
    async fn with_deadline(self, rest: Rest, deadline: Instant) -> Asked {
        let (rest, spare) = rest.with_spare();
        let grace = self.pipeline.save_timeout;
        let gate = Arc::new(Gate::default());
        let mut task = tokio::spawn(self.finish(rest, Arc::clone(&gate)));
        let mut waited = tokio::time::timeout_at(deadline.into(), &mut task).await;
        if waited.is_err() && !gate.abandon() {
            // A stage is committing: whoever is told 451 now would send again what is about to be kept.
            waited = tokio::time::timeout(grace, &mut task).await;
        }
        match waited {
            Ok(Ok(Some(asked))) => asked,
            Ok(_) => Asked { txn: spare, decision: Decision::bare(Kind::Defer) },
            Err(_) => {
                let id = message_id(&spare);
                tracing::warn!("{id} no answer from the chain within its deadline: deferred");
                Asked { txn: spare, decision: Decision::bare(Kind::Defer) }
            }
        }
    }

    /// Asks the remaining stages and settles. `None`: the transaction was lost with a thread.
    async fn finish(mut self, rest: Rest, gate: Arc<Gate>) -> Option<Asked> {
        let (txn, decision) = match rest {
            Rest::Ask(txn) => self.ask_on(txn, &gate).await.ok()?,
            Rest::Settle(txn, decision) => (txn, decision),
            Rest::Held(answer, _) => {
                let (mut txn, status) = answer.await.ok()?;
                let stage = Arc::clone(&self.chain()[self.next - 1]);
                match answered(&stage, &mut txn, status) {
                    Some(decision) => (txn, decision),
                    None => self.ask_on(txn, &gate).await.ok()?,
                }
            }
        };
        self.settle(txn, decision, &gate).await
    }

    /// Asks stage after stage until one ends the chain.
    async fn ask_on(
        &mut self,
        mut txn: Box<Transaction>,
        gate: &Gate,
    ) -> Result<(Box<Transaction>, Decision), Lost> {
        while let Some(stage) = self.chain().get(self.next).map(Arc::clone) {
            if gate.is_abandoned() {
                return Ok((txn, Decision::bare(Kind::Defer)));
            }
            self.next += 1;
            let status;
            (txn, status) = stage.ask(self.phase, txn).await?;
            if let Some(decision) = answered(&stage, &mut txn, status) {
                return Ok((txn, decision));
            }
        }
        let decision = end_of_chain(&txn, self.phase);
        Ok((txn, decision))
    }

    /// Tells the stages how it ended: those whose commit the reply waits for, then the others behind its back.
    async fn settle(
        self,
        mut txn: Box<Transaction>,
        mut decision: Decision,
        gate: &Gate,
    ) -> Option<Asked> {
        let in_time = gate.commit();
        if !in_time && decision.kind == Kind::Accept {
            let id = message_id(&txn);
            let late = txn.deadline.map(|deadline| deadline.elapsed()).unwrap_or_default();
            tracing::warn!("{id} the chain has succeeded {late:.1?} after its deadline: undone");
            decision = Decision::bare(Kind::Defer);
        }
        let (awaited, others): (Vec<_>, Vec<_>) =
            self.listeners().into_iter().partition(|stage| stage.awaits_settled());
        for stage in awaited {
            txn.outcome = Some(decision.status());
            txn.reply = None;
            let told;
            (txn, told) = stage.tell(Event::SETTLED, txn).await.ok()?;
            if let Err(why) = told {
                let id = message_id(&txn);
                tracing::error!("{id} {}: could not settle: {why}", stage.name);
                if decision.kind == Kind::Accept {
                    let reply = txn.reply.take().filter(|reply| reply.code / 100 == 4);
                    decision = Decision { kind: Kind::Defer, reply };
                }
            }
        }
        if !others.is_empty() {
            let mut copy = txn.spare_with_message();
            copy.outcome = Some(decision.status());
            tokio::spawn(tell_all(others, copy));
        }
        Some(Asked { txn, decision })
    }
}

impl Rest {
    /// Adds what the connection goes on with if the deadline passes.
    fn with_spare(self) -> (Self, Box<Transaction>) {
        match self {
            Self::Ask(txn) => {
                let spare = txn.spare();
                (Self::Ask(txn), spare)
            }
            Self::Settle(txn, decision) => {
                let spare = txn.spare();
                (Self::Settle(txn, decision), spare)
            }
            Self::Held(answer, spare) => {
                let copy = spare.spare();
                (Self::Held(answer, spare), copy)
            }
        }
    }
}

/// Which came first: the deadline or the commit.
#[derive(Default)]
struct Gate(AtomicU8);

impl Gate {
    const OPEN: u8 = 0;
    const COMMITTING: u8 = 1;
    const ABANDONED: u8 = 2;

    /// The deadline has passed; `false` when it is too late for that.
    fn abandon(&self) -> bool {
        self.pass(Self::ABANDONED)
    }

    /// The commit begins; `false` when the client has been told otherwise.
    fn commit(&self) -> bool {
        self.pass(Self::COMMITTING)
    }

    fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::ABANDONED
    }

    fn pass(&self, to: u8) -> bool {
        self.0.compare_exchange(Self::OPEN, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// What log lines of a chain begin with: the id of the message, or of the connection while there is none.
fn message_id(txn: &Transaction) -> String {
    match txn.envelope.queued_id() {
        "" => txn.client.session.to_string(),
        id => id.to_owned(),
    }
}

/// Tells stages behind the reply's back.
async fn tell_all(stages: Vec<Arc<Stage>>, mut txn: Box<Transaction>) {
    for stage in stages {
        match stage.tell(Event::SETTLED, txn).await {
            Ok((back, Ok(()))) => txn = back,
            Ok((back, Err(why))) => {
                tracing::warn!("{} {}: settled: {why}", back.client.session, stage.name);
                txn = back;
            }
            Err(Lost) => return,
        }
    }
}

/// What one stage's answer means for the chain; `None`: on to the next.
fn answered(stage: &Stage, txn: &mut Transaction, status: Status) -> Option<Decision> {
    match turn(status, txn.reply.take()) {
        Turn::Next => None,
        Turn::End(decision) => Some(decision),
        Turn::Fault(what) => {
            let why = stage.explanation().unwrap_or(what);
            tracing::error!("{} {}: fault: {why}: deferred", message_id(txn), stage.name);
            Some(Decision::bare(Kind::Defer))
        }
    }
}

/// Every stage has said "continue". Over LMTP each recipient's verdict stands for itself.
fn end_of_chain(txn: &Transaction, phase: Phase) -> Decision {
    let one_for_all = phase == Phase::SAVE && !txn.client.lmtp;
    let merged = one_for_all.then(|| merge_recipients(&txn.envelope)).flatten();
    merged.unwrap_or(const { Decision::bare(Kind::Accept) })
}
