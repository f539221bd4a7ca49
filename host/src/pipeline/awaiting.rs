//! Waiting for a stage that the chain can go on without (`on_timeout`: `continue`).
//!
//! Such a stage has half of the time that is left of the chain's, so that there is as much for those behind it and for
//! the commit; of several that hang each has half of what the one before has left. Beyond that the chain goes on
//! with a copy from before the question, and whoever waits here tells the stage when it returns that the message is not
//! its own: what it has prepared it undoes, whatever becomes of the message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use guerrilla_plugin_abi::{Event, Phase, Status};
use tokio::task::JoinHandle;

use super::chain::Pipeline;
use super::retire::Running;
use super::stage::{Answer, Lost, Stage};
use crate::mail::Transaction;
use crate::observe::Route;

/// What has come of waiting.
pub(super) enum Answered {
    /// The stage has answered.
    InTime(Box<Transaction>, Status),
    /// It has not; this is what the chain goes on with.
    Late(Box<Transaction>),
}

/// Waits for a stage that is being asked. Without a copy to go on with it waits for as long as it takes; the chain's
/// deadline is another's business.
pub(super) async fn answer(
    pipeline: &Pipeline,
    stage: &Arc<Stage>,
    phase: Phase,
    asking: impl Future<Output = Answer> + Send + 'static,
    copy: Option<Box<Transaction>>,
) -> Result<Answered, Lost> {
    let Some(copy) = copy else {
        return asking.await.map(|(txn, status)| Answered::InTime(txn, status));
    };
    let share = share(copy.deadline);
    let mut asking = Route::spawn(asking);
    match tokio::time::timeout(share, &mut asking).await {
        Ok(answered) => {
            let (txn, status) = answered.map_err(|_| Lost)??;
            Ok(Answered::InTime(txn, status))
        }
        Err(_) => {
            let (session, name) = (copy.log_id(), stage.name());
            tracing::warn!(%session, "{name}: no answer within {share:.1?}: went on without it");
            let late = Late { stage: Arc::clone(stage), _running: pipeline.keep(stage) };
            Route::spawn(late.undo(phase, asking, Instant::now()));
            Ok(Answered::Late(copy))
        }
    }
}

/// How long the stage has.
fn share(deadline: Option<Instant>) -> Duration {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    left.unwrap_or_default() / 2
}

/// A stage that the chain has gone on without, and that has not returned.
struct Late {
    stage: Arc<Stage>,
    /// Else a reload would stop it meanwhile: nothing comes behind `stop`.
    _running: Option<Arc<Running>>,
}

impl Late {
    /// Waits for what comes too late, and has it undone.
    async fn undo(self, phase: Phase, asking: JoinHandle<Answer>, given_up: Instant) {
        let Ok(Ok((mut txn, _))) = asking.await else { return };
        let (stage, session, late) = (&self.stage, txn.log_id(), given_up.elapsed());
        let name = stage.name();
        tracing::warn!(
            %session,
            "{name}: answered {late:.1?} after the chain had gone on without it: undone"
        );
        if phase != Phase::SAVE || !stage.hears_the_end() {
            return;
        }
        txn.outcome = Some(Status::DEFER);
        let told = if stage.awaits_settled() {
            stage.settle(txn).await
        } else {
            stage.tell(Event::SETTLED, txn).await
        };
        if let Ok((txn, Err(why))) = told {
            let session = txn.log_id();
            tracing::warn!(%session, "{name}: settled: {why}");
        }
    }
}
