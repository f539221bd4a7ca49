//! A processor that says it honours what a client may ask for, and logs what was asked.

use guerrilla_plugin_api::{
    Blocking, Extension, Host, NoConfig, Phase, Plugin, Transaction, Verdict,
};

pub(crate) struct Honours {
    host: Host,
}

impl Plugin for Honours {
    const NAME: &'static str = "Honours";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    const HONOURS: &'static [Extension] = &[Extension::Dsn, Extension::RequireTls];
    type Config = NoConfig;

    fn create(host: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    fn save(&self, txn: Transaction<'_>) -> Verdict {
        let sender: Vec<_> = txn.sender_parameters().collect();
        for recipient in txn.recipients() {
            let asked: Vec<_> = recipient.parameters().collect();
            self.host.info(format_args!("{} asked {asked:?} of {sender:?}", recipient.address()));
        }
        Verdict::CONTINUE
    }
}
