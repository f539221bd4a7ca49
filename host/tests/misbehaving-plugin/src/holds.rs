//! Takes hold of the transaction: completed from another thread, late, never, or lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use guerrilla_plugin_api::{Blocking, Held, Host, NoConfig, Phase, Plugin, Transaction, Verdict};

use crate::control::{Control, SCHEMA, is_spared};

/// Threads that complete; joined before `stop` returns.
pub(crate) type Threads = Mutex<Vec<JoinHandle<()>>>;

/// Completes from a thread of its own, after adding a header field there.
pub(crate) struct Holds {
    threads: Threads,
}

impl Plugin for Holds {
    const NAME: &'static str = "Holds";
    const PHASES: &'static [Phase] = BOTH;
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self { threads: Mutex::default() })
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        complete_elsewhere(&self.threads, txn, |held| held.complete(Verdict::CONTINUE))
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        complete_elsewhere(&self.threads, txn, |mut held| {
            let added = held.transaction().add_header("X-Held", "by another thread");
            held.complete(if added.is_ok() { Verdict::CONTINUE } else { Verdict::DEFER });
        })
    }

    fn stop(&self) {
        join(&self.threads);
    }
}

/// Completes from a thread of its own when the test says so.
pub(crate) struct HoldsUntilTold {
    host: Host,
    control: Arc<Control>,
    threads: Threads,
}

impl Plugin for HoldsUntilTold {
    const NAME: &'static str = "HoldsUntilTold";
    const PHASES: &'static [Phase] = SAVE;
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = SCHEMA;
    type Config = Control;

    fn create(host: Host, control: Control) -> Result<Self, String> {
        Ok(Self { host, control: Arc::new(control), threads: Mutex::default() })
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        let (control, host) = (Arc::clone(&self.control), self.host);
        complete_elsewhere(&self.threads, txn, move |held| {
            if let Err(why) = control.wait("held") {
                host.error(format_args!("{why}"));
            }
            held.complete(Verdict::CONTINUE);
        })
    }

    fn stop(&self) {
        join(&self.threads);
    }
}

/// Declares processors with no state that hold and do something wrong then.
macro_rules! holds_and {
    ($($(#[$doc:meta])* $name:ident => $then:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl Plugin for $name {
                const NAME: &'static str = stringify!($name);
                const PHASES: &'static [Phase] = BOTH;
                const BLOCKING: Blocking = Blocking::Never;
                type Config = NoConfig;

                fn create(_: Host, _: NoConfig) -> Result<Self, String> {
                    Ok(Self)
                }

                fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
                    hold_and(txn, $then)
                }

                fn save(&self, txn: Transaction<'_>) -> Verdict {
                    hold_and(txn, $then)
                }
            }
        )*
    };
}

holds_and! {
    /// As a cancelled task does.
    HoldsAndDrops => drop::<Held>;
    /// In the middle of the call.
    HoldsAndPanics => |_held: Held| panic!("gone wrong with a transaction in hand");
    /// Never answers, and does not even let go.
    HoldsForever => std::mem::forget::<Held>;
}

/// Says "later" about a transaction that it does not hold.
pub(crate) struct PendsWithoutHold;

impl Plugin for PendsWithoutHold {
    const NAME: &'static str = "PendsWithoutHold";
    const PHASES: &'static [Phase] = SAVE;
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        if is_spared(&txn) { Verdict::CONTINUE } else { Verdict::PENDING }
    }
}

pub(crate) fn hold_and(txn: Transaction<'_>, then: impl FnOnce(Held)) -> Verdict {
    if is_spared(&txn) {
        return Verdict::CONTINUE;
    }
    match txn.hold() {
        Some(held) => {
            then(held);
            Verdict::PENDING
        }
        None => Verdict::REJECT,
    }
}

pub(crate) fn complete_elsewhere(
    threads: &Threads,
    txn: Transaction<'_>,
    complete: impl FnOnce(Held) + Send + 'static,
) -> Verdict {
    hold_and(txn, |held| {
        let thread = thread::spawn(|| complete(held));
        threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    })
}

pub(crate) fn join(threads: &Threads) {
    for thread in threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        // One that has panicked has deferred its message by doing so.
        let _ = thread.join();
    }
}

const BOTH: &[Phase] = &[Phase::Rcpt, Phase::Save];
const SAVE: &[Phase] = &[Phase::Save];
