//! Blocks until the test says go.

use guerrilla_plugin_api::{Blocking, Host, Phase, Plugin, Transaction, Verdict};

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
