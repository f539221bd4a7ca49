//! Telling the stages how a chain has ended: those whose commit the reply waits for, then the others behind its back.

use std::sync::Arc;

use guerrilla_plugin_abi::{Event, Status};

use super::chain::{Asked, Pipeline};
use super::decision::{Decision, Kind, refusal_of_recipients};
use super::gate::Gate;
use super::retire::Running;
use super::stage::{Lost, Stage};
use crate::mail::{ChosenReply, Transaction};
use crate::observe::Route;

/// A stage that was asked and wants to hear.
pub(super) struct Listener {
    pub(super) stage: Arc<Stage>,
    /// The chain has not gone on without it: what it has prepared is to be kept if the chain was accepted.
    pub(super) wanted: bool,
}

impl Listener {
    fn outcome(&self, decision: &Decision) -> Status {
        if self.wanted { decision.status() } else { Status::DEFER }
    }
}

/// Tells them all. `None`: the transaction was lost with a thread.
pub(super) async fn settle(
    pipeline: &Pipeline,
    listeners: Vec<Listener>,
    mut txn: Box<Transaction>,
    mut decision: Decision,
    gate: &Gate,
) -> Option<Asked> {
    if !gate.commit() && decision.kind == Kind::Accept {
        let late = txn.deadline.map(|deadline| deadline.elapsed()).unwrap_or_default();
        let session = txn.log_id();
        tracing::warn!(%session, "the chain has succeeded {late:.1?} after its deadline: undone");
        decision = Decision::bare(Kind::Defer);
    }
    let (awaited, others): (Vec<_>, Vec<_>) =
        listeners.into_iter().partition(|listener| listener.stage.awaits_settled());
    let commits = !awaited.is_empty();
    for listener in awaited {
        txn.outcome = Some(listener.outcome(&decision));
        let told;
        (txn, told) = listener.stage.settle(txn).await.ok()?;
        // Whatever becomes of it, the next message of the connection must not find it.
        let reply = txn.reply.take();
        if let Err(why) = &told {
            let (session, name) = (txn.log_id(), listener.stage.name());
            match &reply {
                Some(ChosenReply { code, enhanced, text }) => tracing::error!(
                    %session,
                    "{name}: could not settle: {why}: {code} {enhanced} {text}"
                ),
                None => tracing::error!(%session, "{name}: could not settle: {why}"),
            }
        }
        if decision.kind == Kind::Accept && listener.wanted {
            if told.is_err() {
                let reply = reply.filter(|reply| reply.code / 100 == 4);
                decision = Decision { reply, ..Decision::bare(Kind::Defer) };
            } else if let Some(refused) = refusal_of_recipients(&txn.envelope) {
                // Found out at the commit: those behind must not keep it for whom the client is told no.
                decision = refused;
            }
        }
    }
    if commits {
        txn.timed("commit");
    }
    if gate.is_given_up() && decision.kind == Kind::Accept {
        let late = txn.deadline.map(|deadline| deadline.elapsed()).unwrap_or_default();
        let session = txn.log_id();
        tracing::warn!(%session, "kept {late:.1?} after its deadline: the client was told to try again");
    }
    if !others.is_empty() {
        let kept = others.iter().filter_map(|other| pipeline.keep(&other.stage)).collect();
        Route::spawn(tell_all(others, kept, txn.spare_with_message(), decision.clone()));
    }
    Some(Asked { txn, decision })
}

/// Tells stages behind the reply's back. They are kept from being stopped by a reload until the last has heard: nothing comes
/// behind `stop`.
async fn tell_all(
    listeners: Vec<Listener>,
    _kept: Vec<Arc<Running>>,
    mut txn: Box<Transaction>,
    decision: Decision,
) {
    for listener in listeners {
        txn.outcome = Some(listener.outcome(&decision));
        match listener.stage.tell(Event::SETTLED, txn).await {
            Ok((back, Ok(()))) => txn = back,
            Ok((back, Err(why))) => {
                let session = back.log_id();
                tracing::warn!(%session, "{}: settled: {why}", listener.stage.name());
                txn = back;
            }
            Err(Lost) => return,
        }
    }
}
