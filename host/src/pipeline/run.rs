//! Running a chain within its deadline.
//!
//! Stages that never block run on the caller's thread, without a task or an allocation. At the first one that
//! does (or that takes hold) the rest of the chain becomes a task of its own. When the deadline passes
//! the caller is answered at once and goes on with a spare transaction, while the task lives until the plugin has
//! returned: what was prepared must be undone, and a late success must be known.
//!
//! A chain that goes on without a stage that hangs (`on_timeout`: `continue`) needs time for the others: such a stage has
//! half of what is left of the chain's time, see [`awaiting`](super::awaiting).

use std::sync::Arc;
use std::time::Instant;

use guerrilla_plugin_abi::{Phase, Status};
use tokio::sync::oneshot;

use super::awaiting::{Answered, answer};
use super::breaker::Failure;
use super::chain::{Asked, Pipeline};
use super::decision::{Decision, Kind, Turn, refusal_of_recipients, turn};
use super::figures::Fault;
use super::gate::Gate;
use super::settle::{Listener, settle};
use super::stage::{Lost, Stage};
use crate::config::OnFailure;
use crate::mail::Transaction;
use crate::observe::Route;
use crate::plugins::ffi::Called;

/// One question on its way through a chain. The chain is handed to it with each step: to share it takes a counter that
/// all threads would write to for each message.
pub(super) struct Run {
    phase: Phase,
    /// The stage to be asked next.
    next: usize,
    /// Stages that the chain has gone on without: which, and whether they are to be told how it ended: not if they were
    /// not asked, nor while they still are.
    left_out: Vec<(usize, bool)>,
}

/// Where the part on the caller's thread has got to.
pub(super) enum Inline {
    Settled(Asked),
    /// With what the connection goes on with if the deadline passes.
    Unsettled(Run, Rest, Box<Transaction>),
}

/// What remains to be done, in a task.
pub(super) enum Rest {
    /// The next stage is to be asked.
    Ask(Box<Transaction>),
    /// A stage has taken hold and will answer.
    Held(Holding),
    /// The stages have answered and are to be told how it ended.
    Settle(Box<Transaction>, Decision),
}

/// A transaction that a plugin holds.
pub(super) struct Holding {
    answer: oneshot::Receiver<(Box<Transaction>, Status)>,
    /// What the chain may go on with, if it may.
    copy: Option<Box<Transaction>>,
}

impl Run {
    pub(super) fn new(phase: Phase) -> Self {
        Self { phase, next: 0, left_out: Vec::new() }
    }

    /// Asks the stages that never block, as far as they come.
    pub(super) fn inline(mut self, pipeline: &Pipeline, mut txn: Box<Transaction>) -> Inline {
        let chain = pipeline.chain(self.phase);
        let decision = loop {
            let Some(stage) = chain.get(self.next) else { break end_of_chain(&txn, self.phase) };
            if !stage.is_inline_in(self.phase) {
                let spare = txn.spare();
                return Inline::Unsettled(self, Rest::Ask(txn), spare);
            }
            self.next += 1;
            if stage.breaker.is_open(Instant::now) {
                match self.instead_of_asking(stage) {
                    Some(decision) => break decision,
                    None => continue,
                }
            }
            let copy = stage.copy_to_go_on_with(&txn);
            match stage.ask_inline(self.phase, txn) {
                Called::Held(answer, spare) => {
                    return Inline::Unsettled(self, Rest::Held(Holding { answer, copy }), spare);
                }
                Called::Answered(back, status) => {
                    txn = back;
                    if let Some(decision) = self.answered(stage, &mut txn, status) {
                        break decision;
                    }
                }
            }
        };
        if self.listeners(chain).next().is_none() {
            return Inline::Settled(Asked { txn, decision });
        }
        let spare = txn.spare();
        Inline::Unsettled(self, Rest::Settle(txn, decision), spare)
    }

    /// Lets a task do the rest and waits for it until the deadline.
    pub(super) async fn with_deadline(
        self,
        pipeline: &Arc<Pipeline>,
        rest: Rest,
        spare: Box<Transaction>,
        deadline: Instant,
    ) -> Asked {
        let phase = self.phase;
        let gate = Arc::new(Gate::default());
        gate.reached(self.next.saturating_sub(1));
        let rest = self.finish(Arc::clone(pipeline), rest, Arc::clone(&gate));
        // What happens to the message is written where the rest of its session is.
        let mut task = Route::spawn(rest);
        let mut waited = tokio::time::timeout_at(deadline.into(), &mut task).await;
        let committing = waited.is_err() && !gate.abandon();
        if committing {
            // A stage is committing: whoever is told 451 now would send again what is about to be kept.
            waited = tokio::time::timeout(pipeline.save_timeout, &mut task).await;
            if waited.is_err() {
                gate.give_up();
            }
        }
        match waited {
            Ok(Ok(Some(asked))) => asked,
            Ok(_) => Asked { txn: spare, decision: Decision::bare(Kind::Defer) },
            Err(_) => {
                let session = spare.log_id();
                let stage = pipeline.chain(phase).get(gate.at());
                let name = stage.map_or("the chain", |stage| stage.name());
                let policy = stage.map(|stage| stage.breaker.policy.of(Failure::Timeout));
                let kind = match policy {
                    Some(OnFailure::Reject) if !committing => Kind::Reject,
                    // To go on without it there is no time any more; and what is being committed may be kept in the end.
                    _ => Kind::Defer,
                };
                let effect = if kind == Kind::Reject { "rejected" } else { "deferred" };
                tracing::warn!(%session, "{name}: no answer within the deadline: {effect}");
                if let Some(stage) = stage {
                    report_failure(stage, Failure::Timeout, Fault::Timeout);
                }
                Asked { txn: spare, decision: Decision::bare(kind) }
            }
        }
    }

    /// Asks the remaining stages and settles. `None`: the transaction was lost with a thread.
    async fn finish(
        mut self,
        pipeline: Arc<Pipeline>,
        rest: Rest,
        gate: Arc<Gate>,
    ) -> Option<Asked> {
        let chain = pipeline.chain(self.phase);
        let (txn, decision) = match rest {
            Rest::Ask(txn) => self.ask_on(&pipeline, txn, &gate).await.ok()?,
            Rest::Settle(txn, decision) => (txn, decision),
            Rest::Held(Holding { answer: held, copy }) => {
                let stage = chain.get(self.next - 1)?;
                let asking = stage.held(self.phase, held);
                let answered = answer(&pipeline, stage, self.phase, asking, copy).await.ok()?;
                match self.heard(stage, answered) {
                    (txn, Some(decision)) => (txn, decision),
                    (txn, None) => self.ask_on(&pipeline, txn, &gate).await.ok()?,
                }
            }
        };
        let listeners = self.listeners(chain).collect();
        settle(&pipeline, listeners, txn, decision, &gate).await
    }

    /// Asks stage after stage until one ends the chain.
    async fn ask_on(
        &mut self,
        pipeline: &Arc<Pipeline>,
        mut txn: Box<Transaction>,
        gate: &Gate,
    ) -> Result<(Box<Transaction>, Decision), Lost> {
        let chain = pipeline.chain(self.phase);
        while let Some(stage) = chain.get(self.next) {
            if gate.is_abandoned() {
                return Ok((txn, Decision::bare(Kind::Defer)));
            }
            gate.reached(self.next);
            self.next += 1;
            let ended;
            if stage.breaker.is_open(Instant::now) {
                ended = self.instead_of_asking(stage);
            } else {
                let copy = stage.copy_to_go_on_with(&txn);
                let (asked, phase) = (Arc::clone(stage), self.phase);
                let asking = async move { asked.ask(phase, txn).await };
                let answered = answer(pipeline, stage, phase, asking, copy).await?;
                (txn, ended) = self.heard(stage, answered);
            }
            if let Some(decision) = ended {
                return Ok((txn, decision));
            }
        }
        let decision = end_of_chain(&txn, self.phase);
        Ok((txn, decision))
    }

    /// The transaction to go on with, and what one stage has come to; `None`: on to the next.
    fn heard(&mut self, stage: &Stage, answered: Answered) -> (Box<Transaction>, Option<Decision>) {
        match answered {
            Answered::InTime(mut txn, status) => {
                let ended = self.answered(stage, &mut txn, status);
                (txn, ended)
            }
            Answered::Late(txn) => {
                report_failure(stage, Failure::Timeout, Fault::Timeout);
                // When it returns it is told by whoever waits for that.
                (txn, self.instead(stage, Failure::Timeout, false))
            }
        }
    }

    /// What one stage's answer means for the chain; `None`: on to the next.
    fn answered(
        &mut self,
        stage: &Stage,
        txn: &mut Transaction,
        status: Status,
    ) -> Option<Decision> {
        txn.timed(stage.name());
        let what = match turn(status, txn.reply.take()) {
            Turn::Next => {
                stage.breaker.good();
                // Stages behind one that has refused a recipient would keep what the client is told was refused.
                return refused(txn, self.phase);
            }
            Turn::End(decision) => {
                stage.breaker.good();
                // A yes is for those whom nobody has refused.
                let refused =
                    if decision.kind == Kind::Accept { refused(txn, self.phase) } else { None };
                return refused.or(Some(decision));
            }
            Turn::Fault(what) => what,
        };
        let why = txn.explanation.take().unwrap_or(what);
        let policy = stage.breaker.policy.of(Failure::Fault);
        let (session, effect) = (txn.log_id(), policy.effect());
        tracing::error!(%session, "{}: fault: {why}: {effect}", stage.name());
        let panicked = status == Status::PANICKED;
        report_failure(stage, Failure::Fault, if panicked { Fault::Panic } else { Fault::Answer });
        self.instead(stage, Failure::Fault, true)
    }

    /// What the policy says of a stage that is left alone.
    fn instead_of_asking(&mut self, stage: &Stage) -> Option<Decision> {
        stage.figures.fault(Fault::LeftAlone);
        self.instead(stage, stage.breaker.last(), false)
    }

    /// What the policy says instead of an answer. `to_settle`: the stage has been asked and is not being asked any more.
    fn instead(&mut self, stage: &Stage, failure: Failure, to_settle: bool) -> Option<Decision> {
        match stage.breaker.policy.of(failure) {
            OnFailure::Defer => Some(Decision::bare(Kind::Defer)),
            OnFailure::Reject => Some(Decision::bare(Kind::Reject)),
            OnFailure::Continue => {
                self.left_out.push((self.next - 1, to_settle));
                None
            }
        }
    }

    /// The stages that were asked and want to hear how it ended.
    fn listeners(&self, chain: &[Arc<Stage>]) -> impl Iterator<Item = Listener> {
        let asked = if self.phase == Phase::SAVE { self.next } else { 0 };
        chain[..asked].iter().enumerate().filter_map(|(index, stage)| {
            let left_out = self.left_out.iter().find(|(at, _)| *at == index);
            let to_settle = left_out.is_none_or(|(_, to_settle)| *to_settle);
            (to_settle && stage.hears_the_end())
                .then(|| Listener { stage: Arc::clone(stage), wanted: left_out.is_none() })
        })
    }
}

/// Counts a failure, and says so when the stage is left alone for a while because of it.
fn report_failure(stage: &Stage, failure: Failure, what: Fault) {
    stage.figures.fault(what);
    if let Some(pause) = stage.breaker.failed(failure, Instant::now()) {
        tracing::error!("{}: too many faults in a row: not called for {pause:.1?}", stage.name());
    }
}

/// Every stage has said "continue".
fn end_of_chain(txn: &Transaction, phase: Phase) -> Decision {
    refused(txn, phase).unwrap_or(const { Decision::bare(Kind::Accept) })
}

/// What the recipients who were refused one by one mean for the message.
fn refused(txn: &Transaction, phase: Phase) -> Option<Decision> {
    if phase == Phase::SAVE { refusal_of_recipients(&txn.envelope) } else { None }
}
