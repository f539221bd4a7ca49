//! Writes to the log at every level.

use guerrilla_plugin_api::{Blocking, Host, Level, NoConfig, Phase, Plugin, Transaction, Verdict};

/// Says the same with the SDK's words and with `tracing`, which it has a copy of.
pub(crate) struct Talks;

impl Plugin for Talks {
    const NAME: &'static str = "Talks";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        txn.log(Level::Error, format_args!("said as an error"));
        txn.log(Level::Warn, format_args!("said as a warning"));
        txn.log(Level::Info, format_args!("said as news"));
        txn.log(Level::Debug, format_args!("said as a detail"));
        tracing::error!("traced as an error");
        tracing::warn!("traced as a warning");
        tracing::info!("traced as news");
        tracing::debug!("traced as a detail");
        Verdict::CONTINUE
    }
}
