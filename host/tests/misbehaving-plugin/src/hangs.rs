//! Blocks until the test says go, or for a while where it says that it never does.

use std::fs;
use std::thread;
use std::time::Duration;

use guerrilla_plugin_api::{Blocking, Event, Host, NoConfig, Phase, Plugin, Transaction, Verdict};

use crate::control::{Control, SCHEMA, is_spared};

/// Waits in every question, then goes on.
pub(crate) struct Hangs {
    host: Host,
    control: Control,
}

impl Plugin for Hangs {
    const NAME: &'static str = "Hangs";
    const PHASES: &'static [Phase] =
        &[Phase::Connect, Phase::Helo, Phase::Mail, Phase::Rcpt, Phase::Save];
    const BLOCKING: Blocking = Blocking::Short;
    const CONFIG_SCHEMA: &'static str = SCHEMA;
    type Config = Control;

    fn create(host: Host, control: Control) -> Result<Self, String> {
        Ok(Self { host, control })
    }

    fn connect(&self, txn: Transaction<'_>) -> Verdict {
        self.hang(&txn, "connect")
    }

    fn helo(&self, txn: Transaction<'_>) -> Verdict {
        self.hang(&txn, "helo")
    }

    fn mail(&self, txn: Transaction<'_>) -> Verdict {
        self.hang(&txn, "mail")
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        self.hang(&txn, "rcpt")
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        self.hang(&txn, "save")
    }
}

/// Waits in `start`.
pub(crate) struct HangsInStart {
    control: Control,
}

impl Plugin for HangsInStart {
    const NAME: &'static str = "HangsInStart";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Short;
    const CONFIG_SCHEMA: &'static str = SCHEMA;
    type Config = Control;

    fn create(_: Host, control: Control) -> Result<Self, String> {
        Ok(Self { control })
    }

    fn start(&self) -> Result<(), String> {
        self.control.wait("start")
    }
}

impl Hangs {
    fn hang(&self, txn: &Transaction<'_>, place: &str) -> Verdict {
        if is_spared(txn) {
            return Verdict::CONTINUE;
        }
        match self.control.wait(place) {
            Ok(()) => Verdict::CONTINUE,
            Err(why) => {
                self.host.error(format_args!("{why}"));
                Verdict::DEFER
            }
        }
    }
}

/// Waits at `save` as a store does that has begun, and tells the log what it hears of the end.
pub(crate) struct HangsAndHears(Hangs);

impl Plugin for HangsAndHears {
    const NAME: &'static str = "HangsAndHears";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Settled];
    const AWAITS_SETTLED: bool = true;
    const BLOCKING: Blocking = Blocking::Short;
    const CONFIG_SCHEMA: &'static str = SCHEMA;
    type Config = Control;

    fn create(host: Host, control: Control) -> Result<Self, String> {
        Hangs::create(host, control).map(Self)
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let verdict = self.0.hang(&txn, "save");
        // Must not be seen by a chain that has gone on.
        if txn.add_header("X-Hung", "for a while").is_err() {
            return Verdict::DEFER;
        }
        verdict
    }

    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        let outcome = if txn.is_accepted() { "accepted" } else { "not accepted" };
        self.0.host.info(format_args!("heard of {}: {outcome}", txn.sender().unwrap_or_default()));
        Verdict::CONTINUE
    }
}

/// Says that it never blocks, and waits.
pub(crate) struct HangsInline {
    control: Control,
}

impl Plugin for HangsInline {
    const NAME: &'static str = "HangsInline";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = SCHEMA;
    type Config = Control;

    fn create(_: Host, control: Control) -> Result<Self, String> {
        Ok(Self { control })
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        if !is_spared(&txn) && self.control.wait("save").is_err() {
            return Verdict::DEFER;
        }
        Verdict::CONTINUE
    }
}

/// Says that it never blocks, and does.
pub(crate) struct Dawdles {
    host: Host,
}

impl Plugin for Dawdles {
    const NAME: &'static str = "Dawdles";
    const PHASES: &'static [Phase] = &[Phase::Rcpt];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(host: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        // This file's own copy of the standard library does not know the host's threads.
        let thread = fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
        self.host.info(format_args!("asked on {}", thread.trim()));
        if !is_spared(&txn) {
            thread::sleep(LONG);
        }
        Verdict::CONTINUE
    }
}

/// Beyond what the daemon calls slow, on any kernel.
const LONG: Duration = Duration::from_millis(40);
