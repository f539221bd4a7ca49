//! Calling a plugin, and getting back what it has taken hold of.

use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use abi_stable::std_types::{RNone, ROption, RSome};
use guerrilla_plugin_abi as abi;
use guerrilla_plugin_abi::{Event, InstanceBox, Phase, Root_Ref, Status, Txn};
use tokio::sync::oneshot;

use super::answers::Way;
use super::host::{self, Record};
use super::txn::lend;
use crate::mail::Transaction;

/// One configured processor: what a stage calls.
pub(crate) struct Instance {
    /// Dropped by `drop` itself, for its code runs then.
    plugin: ManuallyDrop<InstanceBox>,
    record: &'static Record,
}

/// What makes instances.
#[derive(Clone)]
pub(crate) enum Constructor {
    /// A processor of the host's own.
    Builtin(guerrilla_plugin_api::__border::Create),
    /// A processor of the program that the host is part of.
    Code(Arc<Create>),
    /// A processor of a file.
    File(Root_Ref, Origin),
}

/// Makes an instance: host, settings as JSON, where to put it.
pub(crate) type Create =
    dyn Fn(&abi::Host, &str, &mut ROption<InstanceBox>) -> Status + Send + Sync;

impl Constructor {
    /// The plugin file behind it; none for a built-in.
    pub(crate) fn origin(&self) -> Option<Origin> {
        match self {
            Self::Builtin(_) | Self::Code(_) => None,
            Self::File(_, origin) => Some(*origin),
        }
    }
}

/// Which plugin an instance belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Its name.
    pub(crate) plugin: &'static str,
    /// Number of the load.
    pub(crate) generation: u64,
    /// What else is to be said of its file.
    pub(crate) file: &'static FileFacts,
}

/// What metrics and the record of crashes say of a plugin file.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FileFacts {
    /// Version of the plugin.
    pub(crate) version: String,
    /// The API it was built with.
    pub(crate) api: String,
    /// The compiler it was built with.
    pub(crate) rustc: String,
    /// Hash of its content, 64 hexadecimal digits; empty when it does not matter.
    pub(crate) sha256: String,
}

/// What a question came to.
pub(crate) enum Called {
    /// The plugin has answered.
    Answered(Box<Transaction>, Status),
    /// It will; the transaction comes back with the answer. Meanwhile there is a spare to go on with.
    Held(oneshot::Receiver<(Box<Transaction>, Status)>, Box<Transaction>),
}

/// Why there is no instance.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    /// The plugin said so.
    #[error("{0}")]
    Refused(String),
    /// The plugin answered nonsense.
    #[error("create answered {0:#x} instead of an instance; this is a fault of the plugin")]
    Fault(u32),
}

impl Instance {
    /// Makes an instance of the named processor; `config` is a JSON object.
    pub(crate) fn create(
        make: &Constructor,
        processor: &str,
        config: &str,
    ) -> Result<Self, CreateError> {
        let record = host::register(processor, make.origin());
        let host = abi::Host { token: record.token, vt: host::TABLE };
        let mut made: ROption<InstanceBox> = RNone;
        let (status, why) = record.calling(None, || match make {
            Constructor::Builtin(create) => create(&host, config, &mut made),
            Constructor::Code(create) => create(&host, config, &mut made),
            Constructor::File(root, _) => {
                root.create()(&host, processor.into(), config.into(), &mut made)
            }
        });
        match (status, made) {
            (Status::CONTINUE, RSome(plugin)) => {
                Ok(Self { plugin: ManuallyDrop::new(plugin), record })
            }
            (status, _) => {
                record.retire();
                Err(match why {
                    Some(why) => CreateError::Refused(why),
                    None => CreateError::Fault(status.0),
                })
            }
        }
    }

    /// Lets it open what it needs.
    pub(crate) fn start(&self) -> Result<(), String> {
        #[cfg(feature = "fake-1-1")]
        tracing::info!("appended to the instance: {:#x}", self.plugin.appended().0);
        let (status, why) = self.record.calling(None, || self.plugin.start());
        outcome(status, why)
    }

    /// Asks a question.
    pub(crate) fn process(&self, phase: Phase, mut txn: Box<Transaction>) -> Called {
        txn.phase = phase;
        self.call(txn, |lent| self.plugin.process(phase, lent))
    }

    /// Tells the end of a chain, and wants an answer: [`outcome`] reads it.
    pub(crate) fn settled(&self, txn: Box<Transaction>) -> Called {
        self.call(txn, |lent| self.plugin.event(Event::SETTLED, lent))
    }

    /// A call in which the plugin may take hold.
    #[inline]
    fn call(&self, mut txn: Box<Transaction>, entry: impl FnOnce(Txn<'_>) -> Status) -> Called {
        let session = Some(txn.client.session);
        txn.explanation = None;
        // One that was left behind, by whomever, is not about this.
        txn.reply = None;
        *txn.lease.get_mut() = HOLDABLE;
        let raw = Box::into_raw(txn);
        let (status, why) = self.record.calling(session, || entry(lend(raw)));
        // SAFETY: the transaction is alive, held or not, until this function or `complete` turns it back into
        // a box; other threads touch this one field only as the atomic it is.
        let lease = unsafe { (*raw).lease.load(Ordering::Acquire) };
        match lease {
            LENT | HOLDABLE => {
                // SAFETY: the pointer came from a box above and nobody took hold of it.
                let mut txn = unsafe { Box::from_raw(raw) };
                txn.explanation = why;
                Called::Answered(txn, status)
            }
            token => collect(token, raw, why),
        }
    }

    /// Tells a fact that has no answer.
    pub(crate) fn event(
        &self,
        event: Event,
        mut txn: Box<Transaction>,
    ) -> (Box<Transaction>, Result<(), String>) {
        let session = Some(txn.client.session);
        *txn.lease.get_mut() = LENT;
        let raw = Box::into_raw(txn);
        let (status, why) = self.record.calling(session, || self.plugin.event(event, lend(raw)));
        // SAFETY: the pointer came from a box above; a lease that is merely lent cannot be held.
        let txn = unsafe { Box::from_raw(raw) };
        (txn, outcome(status, why))
    }

    /// No more questions will come.
    pub(crate) fn drain(&self, deadline_ms: u64) {
        self.record.calling(None, || self.plugin.drain(deadline_ms));
    }

    /// Ends its threads. The host is deaf to it afterwards.
    pub(crate) fn stop(&self) {
        self.record.calling(None, || self.plugin.stop());
        self.record.retire();
    }
}

/// What an answer to anything but a question means, and why it is a failure if the plugin has said so.
pub(crate) fn outcome(status: Status, why: Option<String>) -> Result<(), String> {
    match status {
        Status::CONTINUE | Status::ACCEPT => Ok(()),
        status => Err(why.unwrap_or_else(|| format!("answered {}", name(status)))),
    }
}

/// What an author knows a verdict by.
fn name(status: Status) -> String {
    let name = match status {
        Status::DEFER => "DEFER",
        Status::REJECT => "REJECT",
        Status::DISCARD => "DISCARD",
        Status::DISCONNECT => "DISCONNECT",
        Status::PENDING => "PENDING without a hold",
        Status(number) => return format!("{number:#x}, which is no verdict"),
    };
    name.to_owned()
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.record.retire();
        let plugin = &mut self.plugin;
        // SAFETY: dropped here and nowhere else, and nobody can use it afterwards.
        self.record.calling(None, || unsafe { ManuallyDrop::drop(plugin) });
    }
}

/// Marks a transaction as held; its token. This is the last moment at which a spare can be made of it.
pub(super) fn hold(txn: &Transaction) -> Option<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(HOLDABLE + 1);
    let token = NEXT.fetch_add(1, Ordering::Relaxed);
    txn.lease.compare_exchange(HOLDABLE, token, Ordering::AcqRel, Ordering::Acquire).ok()?;
    held().insert(token, Slot::CallLasts(txn.spare(), None));
    Some(token)
}

/// A plugin completes what it holds, and may have said why with a fault. A token that is not known is a plugin that
/// completes twice: ignored.
pub(super) fn complete(token: u64, status: Status, why: Option<String>) {
    let mut table = held();
    let Some(slot) = table.remove(&token) else { return };
    match slot {
        Slot::CallLasts(spare, _) => {
            table.insert(token, Slot::CallLasts(spare, Some((status, why))));
        }
        Slot::Awaited(waiting) => {
            drop(table);
            // SAFETY: `collect` put the pointer here after the call had returned, and the plugin has now given it up.
            let mut txn = unsafe { Box::from_raw(waiting.txn) };
            txn.explanation = why;
            waiting.way.send((txn, status));
        }
    }
}

/// The call that took hold has returned: answered already, or to be awaited. What the call itself has said counts where
/// the completion had no word: a panic gives the transaction up before it is told of.
fn collect(token: u64, txn: *mut Transaction, said: Option<String>) -> Called {
    let mut table = held();
    match table.remove(&token) {
        Some(Slot::CallLasts(spare, None)) => {
            let (way, receiver) = Way::here();
            table.insert(token, Slot::Awaited(Waiting { txn, way }));
            Called::Held(receiver, spare)
        }
        Some(Slot::CallLasts(_, Some((status, why)))) => {
            // SAFETY: the plugin has completed it, so it is given up; the call has returned.
            let mut txn = unsafe { Box::from_raw(txn) };
            txn.explanation = why.or(said);
            Called::Answered(txn, status)
        }
        // A token is inserted by `hold` and changed by `complete` only; without it nobody holds the transaction.
        // SAFETY: as above.
        _ => Called::Answered(unsafe { Box::from_raw(txn) }, Status::INTERNAL),
    }
}

/// Lease of a transaction that is lent for one call.
const LENT: u64 = 0;
/// Lease of one that may be taken hold of; above it are tokens of held ones.
const HOLDABLE: u64 = 1;

/// What is known of a held transaction.
enum Slot {
    /// The call that took hold of it has not returned: a spare, and with what it is completed already.
    CallLasts(Box<Transaction>, Option<(Status, Option<String>)>),
    /// The call has returned.
    Awaited(Waiting),
}

struct Waiting {
    txn: *mut Transaction,
    way: Way,
}

// SAFETY: the pointer is an owned box in disguise, and a box of a transaction may be sent.
unsafe impl Send for Waiting {}

fn held() -> MutexGuard<'static, HashMap<u64, Slot>> {
    static TABLE: LazyLock<Mutex<HashMap<u64, Slot>>> = LazyLock::new(Mutex::default);
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}
