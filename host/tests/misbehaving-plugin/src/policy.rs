//! What the server behind the SMTP dialogues refuses: everybody at `refused.test`, the local part `unknown`, and,
//! when the message has come, the local part `full`.

use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Reply, Transaction, Verdict};

/// Refuses by name.
pub(crate) struct Policy;

impl Plugin for Policy {
    const NAME: &'static str = "Policy";
    const PHASES: &'static [Phase] =
        &[Phase::Connect, Phase::Helo, Phase::Mail, Phase::Rcpt, Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(_: Host, _: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn connect(&self, txn: Transaction<'_>) -> Verdict {
        if txn.remote_ip() == "192.0.2.66" {
            return Verdict::reject(Reply::new(554, "5.7.1", "Not you"));
        }
        Verdict::CONTINUE
    }

    fn helo(&self, txn: Transaction<'_>) -> Verdict {
        match txn.helo() {
            Some("refused.test") => Verdict::reject(Reply::new(550, "5.7.1", "Not you")),
            Some("disconnected.test") => Verdict::DISCONNECT,
            _ => Verdict::CONTINUE,
        }
    }

    fn mail(&self, txn: Transaction<'_>) -> Verdict {
        if txn.sender_domain() == Some("refused.test") { relay_denied() } else { Verdict::CONTINUE }
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        let Some(recipient) = txn.recipients().next_back() else { return Verdict::CONTINUE };
        match (recipient.local_part(), recipient.domain()) {
            (_, "refused.test") => relay_denied(),
            ("unknown", _) => Verdict::reject(Reply::new(550, "5.1.1", "User unknown")),
            ("busy", _) => Verdict::defer(Reply::new(450, "4.2.1", "Mailbox busy")),
            ("slammed", _) => {
                Verdict::disconnect(Reply::new(521, "5.3.2", "This host takes no mail"))
            }
            _ => Verdict::CONTINUE,
        }
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let full: Vec<usize> = txn
            .recipients()
            .filter(|recipient| recipient.local_part() == "full")
            .map(guerrilla_plugin_api::Recipient::index)
            .collect();
        for index in full {
            let verdict = Verdict::defer(Reply::new(452, "4.2.2", "Mailbox full"));
            if txn.set_recipient(index, &verdict).is_err() {
                return Verdict::REJECT;
            }
        }
        Verdict::CONTINUE
    }
}

fn relay_denied() -> Verdict {
    Verdict::reject(Reply::new(550, "5.7.1", "Relay access denied"))
}
