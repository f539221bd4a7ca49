//! Telling the stages how a chain has ended: those whose commit the reply waits for, then the others behind its back.

use std::sync::Arc;

use guerrilla_plugin_abi::{Event, Status};

use super::chain::Asked;
use super::decision::{Decision, Kind};
use super::gate::Gate;
use super::stage::{Lost, Stage};
use crate::mail::Transaction;
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
        txn.reply = None;
        let told;
        (txn, told) = listener.stage.settle(txn).await.ok()?;
        if let Err(why) = told {
            let session = txn.log_id();
            tracing::error!(%session, "{}: could not settle: {why}", listener.stage.name());
            if decision.kind == Kind::Accept && listener.wanted {
                let reply = txn.reply.take().filter(|reply| reply.code / 100 == 4);
                decision = Decision { kind: Kind::Defer, reply };
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
        Route::spawn(tell_all(others, txn.spare_with_message(), decision.clone()));
    }
    Some(Asked { txn, decision })
}

/// Tells stages behind the reply's back.
async fn tell_all(listeners: Vec<Listener>, mut txn: Box<Transaction>, decision: Decision) {
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
