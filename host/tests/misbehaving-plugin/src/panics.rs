//! Panics and failures, in every entry of a plugin.

use guerrilla_plugin_api::{
    Blocking, Event, Host, NoConfig, Phase, Plugin, Reply, Transaction, Verdict,
};

use crate::control::is_spared;

/// Declares processors with no state and no configuration.
macro_rules! stateless {
    ($($(#[$doc:meta])* $name:ident { $($body:item)* })*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl Plugin for $name {
                const NAME: &'static str = stringify!($name);
                type Config = NoConfig;
                $($body)*
            }
        )*
    };
}

stateless! {
    /// In every question, on a thread of its pool.
    Panics {
        const PHASES: &'static [Phase] = ALL;
        const BLOCKING: Blocking = Blocking::Short;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
        fn connect(&self, _: Transaction<'_>) -> Verdict { panic!("connect gone wrong") }
        fn helo(&self, _: Transaction<'_>) -> Verdict { panic!("helo gone wrong") }
        fn mail(&self, txn: Transaction<'_>) -> Verdict { unless_spared(&txn, "mail gone wrong") }
        fn rcpt(&self, txn: Transaction<'_>) -> Verdict { unless_spared(&txn, "rcpt gone wrong") }
        fn save(&self, txn: Transaction<'_>) -> Verdict { unless_spared(&txn, "save gone wrong\nin two lines") }
    }

    /// In every question, on the connection's own thread.
    PanicsInline {
        const PHASES: &'static [Phase] = ALL;
        const BLOCKING: Blocking = Blocking::Never;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
        fn connect(&self, _: Transaction<'_>) -> Verdict { panic!("connect gone wrong") }
        fn helo(&self, _: Transaction<'_>) -> Verdict { panic!("helo gone wrong") }
        fn mail(&self, txn: Transaction<'_>) -> Verdict { unless_spared(&txn, "mail gone wrong") }
        fn rcpt(&self, txn: Transaction<'_>) -> Verdict { unless_spared(&txn, "rcpt gone wrong") }
        fn save(&self, txn: Transaction<'_>) -> Verdict { unless_spared(&txn, "save gone wrong") }
    }

    /// In every event.
    PanicsInEvents {
        const PHASES: &'static [Phase] = SAVE;
        const EVENTS: &'static [Event] = &[Event::Opened, Event::Closed, Event::Settled];
        const BLOCKING: Blocking = Blocking::Never;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
        fn opened(&self, _: Transaction<'_>) { panic!("opened gone wrong") }
        fn closed(&self, _: Transaction<'_>) { panic!("closed gone wrong") }
        fn settled(&self, _: Transaction<'_>) -> Verdict { panic!("settled gone wrong") }
    }

    /// Cannot be made.
    PanicsInCreate {
        const PHASES: &'static [Phase] = SAVE;
        const CONFIG_SCHEMA: &'static str =
            r#"{"properties": {"panics_in_create": {"type": "integer"}}}"#;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { panic!("create gone wrong") }
    }

    /// Cannot be started.
    PanicsInStart {
        const PHASES: &'static [Phase] = SAVE;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
        fn start(&self) -> Result<(), String> { panic!("start gone wrong") }
    }

    /// Cannot be started, and says so.
    FailsToStart {
        const PHASES: &'static [Phase] = SAVE;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
        fn start(&self) -> Result<(), String> { Err("the store is not there".to_owned()) }
    }

    /// While the reply waits for it.
    PanicsInSettled {
        const PHASES: &'static [Phase] = SAVE;
        const EVENTS: &'static [Event] = &[Event::Settled];
        const AWAITS_SETTLED: bool = true;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
        fn settled(&self, txn: Transaction<'_>) -> Verdict {
            assert!(!txn.is_accepted() || is_spared(&txn), "settled gone wrong");
            Verdict::CONTINUE
        }
    }

    /// Cannot commit what it has said yes to.
    FailsToSettle {
        const PHASES: &'static [Phase] = SAVE;
        const EVENTS: &'static [Event] = &[Event::Settled];
        const AWAITS_SETTLED: bool = true;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
        fn settled(&self, txn: Transaction<'_>) -> Verdict {
            if !txn.is_accepted() || is_spared(&txn) { return Verdict::CONTINUE; }
            Verdict::defer(Reply::new(452, "4.3.1", "The disk is gone"))
        }
    }

    /// At the very end.
    PanicsInDrop {
        const PHASES: &'static [Phase] = SAVE;
        const BLOCKING: Blocking = Blocking::Never;
        fn create(_: Host, _: NoConfig) -> Result<Self, String> { Ok(Self) }
        fn drain(&self, _: u64) { panic!("drain gone wrong") }
        fn stop(&self) { panic!("stop gone wrong") }
    }
}

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("drop gone wrong");
    }
}

fn unless_spared(txn: &Transaction<'_>, text: &str) -> Verdict {
    assert!(is_spared(txn), "{text}");
    Verdict::CONTINUE
}

const ALL: &[Phase] = &[Phase::Connect, Phase::Helo, Phase::Mail, Phase::Rcpt, Phase::Save];
const SAVE: &[Phase] = &[Phase::Save];
