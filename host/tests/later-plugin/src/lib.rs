//! Tells in a header field which API it was built with, and what it has found in the host's tables behind what there
//! was in 1.0.

use guerrilla_plugin_api::{Host, NoConfig, Phase, Plugin, Transaction, Verdict, export_plugin};

struct Later;

impl Plugin for Later {
    const NAME: &'static str = "Later";
    const PHASES: &'static [Phase] = &[Phase::Save];
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let found = found(&txn);
        match txn.add_header("X-Later", &found) {
            Ok(()) => Verdict::CONTINUE,
            Err(_) => Verdict::REJECT,
        }
    }
}

#[cfg(not(feature = "fake-1-1"))]
fn found(_: &Transaction<'_>) -> String {
    "built with 1.0".to_owned()
}

#[cfg(feature = "fake-1-1")]
fn found(txn: &Transaction<'_>) -> String {
    match txn.appended() {
        Some((of_txn, of_host)) => format!("built with 1.1, found {of_txn} and {of_host}"),
        None => "built with 1.1, found nothing new".to_owned(),
    }
}

export_plugin!(Later);
