//! Commits in `settled`, with the transaction in hand: on time, late, never, or not at all.

use guerrilla_plugin_api::{
    Batch, BatchPlugin, Blocking, Event, Host, Level, NoConfig, Phase, Plugin, Reply, Transaction,
    Verdict,
};

use crate::control::{Control, SCHEMA, is_spared};
use crate::holds::{Threads, hold_and, join};

/// Commits all that waits, when the test says so. Who is spared does not wait for the test.
pub(crate) struct Commits {
    control: Control,
}

impl BatchPlugin for Commits {
    const NAME: &'static str = "Commits";
    const EVENTS: &'static [Event] = &[Event::Settled];
    const AWAITS_SETTLED: bool = true;
    const SETTLES_BATCHES: bool = true;
    const CONFIG_SCHEMA: &'static str = SCHEMA;
    type Config = Control;

    fn create(_: Host, control: Control) -> Result<Self, String> {
        Ok(Self { control })
    }

    fn save_batch(&self, batch: Batch) {
        batch.complete(|| Verdict::CONTINUE);
    }

    fn settled_batch(&self, mut batch: Batch) {
        let mails = batch.len();
        let all_spared = batch.transactions().all(|txn| is_spared(&txn));
        let waited = if all_spared { Ok(()) } else { self.control.wait("settled") };
        for held in batch {
            held.log(Level::Info, format_args!("committed one of {mails}: {waited:?}"));
            held.complete(if waited.is_ok() { Verdict::CONTINUE } else { Verdict::DEFER });
        }
    }
}

/// Declares processors without state that take hold of the end and do something wrong with it.
macro_rules! at_the_end {
    ($($(#[$doc:meta])* $name:ident => $then:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl Plugin for $name {
                const NAME: &'static str = stringify!($name);
                const PHASES: &'static [Phase] = &[Phase::Save];
                const EVENTS: &'static [Event] = &[Event::Settled];
                const AWAITS_SETTLED: bool = true;
                const BLOCKING: Blocking = Blocking::Never;
                type Config = NoConfig;

                fn create(_: Host, _: NoConfig) -> Result<Self, String> {
                    Ok(Self)
                }

                fn settled(&self, txn: Transaction<'_>) -> Verdict {
                    hold_and(txn, $then)
                }
            }
        )*
    };
}

at_the_end! {
    /// As a cancelled commit does.
    CommitDropped => drop;
    /// In the middle of the call.
    CommitPanics => |_held| panic!("gone wrong with a commit in hand");
    /// Never answers.
    CommitsNever => std::mem::forget;
}

/// Fails from a thread of its own, with a reply.
pub(crate) struct CommitFails {
    threads: Threads,
}

impl Plugin for CommitFails {
    const NAME: &'static str = "CommitFails";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Settled];
    const AWAITS_SETTLED: bool = true;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self { threads: Threads::default() })
    }

    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        crate::holds::complete_elsewhere(&self.threads, txn, |held| {
            held.complete(Verdict::defer(Reply::new(452, "4.3.1", "The disk is gone")));
        })
    }

    fn stop(&self) {
        join(&self.threads);
    }
}

/// Finds out at its commit that the first recipient cannot have the message.
pub(crate) struct CommitRefuses;

impl Plugin for CommitRefuses {
    const NAME: &'static str = "CommitRefuses";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Settled];
    const AWAITS_SETTLED: bool = true;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn settled(&self, mut txn: Transaction<'_>) -> Verdict {
        let full = Verdict::defer(Reply::new(452, "4.2.2", "Full after all"));
        if txn.set_recipient(0, &full).is_ok() { Verdict::CONTINUE } else { Verdict::DEFER }
    }
}
