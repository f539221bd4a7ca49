//! Ends the process: what no guard can catch.

use std::hint::black_box;
use std::ptr;

use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Transaction, Verdict};

use crate::control::is_spared;

/// Declares processors that do something at `save`.
macro_rules! at_save {
    ($($(#[$doc:meta])* $name:ident, $blocking:ident, $end:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl Plugin for $name {
                const NAME: &'static str = stringify!($name);
                const PHASES: &'static [Phase] = &[Phase::Save];
                const BLOCKING: Blocking = Blocking::$blocking;
                type Config = NoConfig;

                fn create(_: Host, _: NoConfig) -> Result<Self, String> {
                    Ok(Self)
                }

                fn save(&self, txn: Transaction<'_>) -> Verdict {
                    if !is_spared(&txn) {
                        $end;
                    }
                    Verdict::CONTINUE
                }
            }
        )*
    };
}

at_save! {
    /// Follows a pointer that points nowhere, on the connection's own thread.
    Crashes, Never, follow_nowhere();
    /// Calls itself until the stack is at its end, on a thread of its pool.
    Overflows, Short, descend(1);
    /// Has had enough.
    Aborts, Short, std::process::abort();
    /// Thinks that it is a program of its own.
    Exits, Short, leave();
}

#[allow(unsafe_code)] // the fault that it is here for
fn follow_nowhere() {
    let nowhere: *const u64 = ptr::without_provenance(8);
    // SAFETY: there is none; the process is to end here.
    black_box(unsafe { nowhere.read_volatile() });
}

#[allow(clippy::disallowed_methods)] // the fault that it is here for
fn leave() {
    std::process::exit(0);
}

/// Not a tail call: each step needs its frame.
#[allow(unconditional_recursion)] // the fault that it is here for
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    descend(depth + 1) + frame[depth as usize % 64]
}
