//! A client and its message, as they travel together through the stages.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use guerrilla_plugin_abi::{Phase, Status};

use super::{ChosenReply, Client, Slot, Timings};

/// What a stage is lent. It is owned by exactly one place at a time: the connection, a chain that is
/// running, or a plugin that holds it.
#[derive(Debug)]
pub struct Transaction {
    /// The client.
    pub client: Client,
    /// Its message.
    pub envelope: Slot,
    /// The reply that the stage running now has chosen.
    pub reply: Option<ChosenReply>,
    /// Why the stage running now has answered with a fault, if it has said so.
    pub explanation: Option<String>,
    /// The question being asked.
    pub phase: Phase,
    /// When the host gives up on the chain.
    pub deadline: Option<Instant>,
    /// How the chain has ended, while its stages are told.
    pub outcome: Option<Status>,
    /// How long the stages have taken, if anybody wants to know.
    pub timings: Option<Box<Timings>>,
    /// On what terms a plugin has it (see `plugins::ffi`). Atomic, for a plugin may ask from a thread of its own.
    pub(crate) lease: AtomicU64,
}

impl Transaction {
    /// A client without a message yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            envelope: Slot::default(),
            reply: None,
            explanation: None,
            phase: Phase::CONNECT,
            deadline: None,
            outcome: None,
            timings: None,
            lease: AtomicU64::new(0),
        }
    }

    /// A stage has answered.
    pub fn timed(&mut self, stage: &str) {
        if let Some(timings) = &mut self.timings {
            timings.note(stage);
        }
    }

    /// What log lines about it begin with: the id of the message, or of the connection while there is none.
    pub fn log_id(&self) -> String {
        match self.envelope.queued_id() {
            "" => self.client.session.to_string(),
            id => id.to_owned(),
        }
    }

    /// What the connection goes on with when a chain keeps this one for longer than it may take: the same client,
    /// and the same message while it has no body yet.
    pub fn spare(&self) -> Box<Self> {
        let mut spare = Self::new(self.client.clone());
        // At the end of the data only the log wants to know what it was; before, there is no body yet.
        spare.envelope = if self.phase == Phase::SAVE {
            self.envelope.outline().into()
        } else {
            self.envelope.clone()
        };
        Box::new(spare)
    }

    /// A copy with all there is, for those who are told after the reply.
    pub fn spare_with_message(&self) -> Box<Self> {
        let mut copy = Self::new(self.client.clone());
        copy.envelope = self.envelope.clone();
        copy.phase = self.phase;
        Box::new(copy)
    }
}
