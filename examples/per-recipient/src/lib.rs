//! Gives each recipient of a message a verdict of its own: whose mailbox is full hears so, the others get the message.
//!
//! Over LMTP (RFC 2033) the client hears each verdict. Over SMTP one reply stands for all, so there the message is deferred
//! while one of its recipients has no room.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use guerrilla_plugin_api::{
    Blocking, Event, Host, Phase, Plugin, Recipient, Reply, Scope, Transaction, Verdict,
    export_plugin,
};

#[derive(serde::Deserialize)]
struct Config {
    /// Bytes that each mailbox may receive while the daemon runs. Those not named have no limit.
    quota: HashMap<String, u64>,
}

struct Quota {
    host: Host,
    room: Mutex<HashMap<String, u64>>,
    /// Key of the note that says for whom room was taken; other instances have others.
    note: String,
}

impl Plugin for Quota {
    const NAME: &'static str = "Quota";
    const DESCRIPTION: &'static str =
        "Defers messages for mailboxes that are full, recipient by recipient";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const EVENTS: &'static [Event] = &[Event::Settled];
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "required": ["quota"],
        "properties": {
            "quota": {
                "type": "object",
                "additionalProperties": { "type": "integer", "minimum": 0 },
                "description": "bytes by mailbox"
            }
        }
    }"#;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let room = config.quota.into_iter().map(|(name, bytes)| (name.to_lowercase(), bytes));
        let note = format!("quota.{}", host.instance());
        Ok(Self { host, room: Mutex::new(room.collect()), note })
    }

    /// Takes the room that the message needs: two that come at once do not both get the last of it.
    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let size = txn.body().len() as u64;
        let (taken, full) = self.take(&txn, size);
        let full_mailbox = Verdict::defer(Reply::new(452, "4.2.2", "The mailbox is full"));
        if !full.is_empty() && !txn.answers_each() {
            // One reply for all: the stages behind need not begin.
            self.host.count("full", full.len() as u64);
            self.give_back(taken, size);
            return full_mailbox;
        }
        for index in full {
            self.host.count("full", 1);
            if let Err(error) = txn.set_recipient(index, &full_mailbox) {
                self.host.error(format_args!("{}: {error}", txn.queued_id()));
                self.give_back(taken, size);
                return Verdict::DEFER;
            }
        }
        if txn.set_note(Scope::Mail, &self.note, taken.join(" ").as_bytes()).is_err() {
            self.give_back(taken, size);
            return Verdict::DEFER;
        }
        Verdict::CONTINUE
    }

    /// Gives back the room of those who have not got the message after all.
    fn settled(&self, txn: Transaction<'_>) -> Verdict {
        let taken = txn.note(Scope::Mail, &self.note).unwrap_or_default();
        let taken = String::from_utf8_lossy(taken);
        let refused: Vec<String> =
            txn.recipients().filter(|to| to.is_refused()).map(mailbox).collect();
        let lost =
            |name: &&str| !txn.is_accepted() || refused.iter().any(|refused| refused == name);
        let back = taken.split_whitespace().filter(lost).map(str::to_owned).collect();
        self.give_back(back, txn.body().len() as u64);
        Verdict::CONTINUE
    }
}

impl Quota {
    /// Takes room for all that have it: their mailboxes, and the indexes of those who have none.
    fn take(&self, txn: &Transaction<'_>, size: u64) -> (Vec<String>, Vec<usize>) {
        let (mut taken, mut full) = (Vec::new(), Vec::new());
        let mut room = self.room();
        // What an earlier stage has refused needs no room.
        for recipient in txn.recipients().filter(|recipient| !recipient.is_refused()) {
            let name = mailbox(recipient);
            let Some(left) = room.get_mut(&name) else { continue };
            match left.checked_sub(size) {
                Some(rest) => {
                    *left = rest;
                    taken.push(name);
                }
                None => full.push(recipient.index()),
            }
        }
        (taken, full)
    }

    fn give_back(&self, names: Vec<String>, size: u64) {
        let mut room = self.room();
        for name in names {
            if let Some(left) = room.get_mut(&name) {
                *left += size;
            }
        }
    }

    fn room(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mailbox as it stands in the configuration. A blank, which a quoted local part may have, would spoil the note.
fn mailbox(recipient: Recipient<'_>) -> String {
    recipient.address().to_lowercase().replace(char::is_whitespace, "_")
}

export_plugin!(Quota);

#[cfg(test)]
mod tests {
    use super::*;
    use guerrilla_plugin_api::testkit::{Answer, Harness, Mail, Session};

    fn quota() -> Harness<Quota> {
        let quota = serde_json::json!({ "Small@example.com": 10, "big@example.com": 1000 });
        Harness::new(serde_json::json!({ "quota": quota })).unwrap()
    }

    fn mail() -> Mail {
        let all = ["small@example.com", "big@example.com", "free@example.com"];
        all.iter().fold(Mail::new().raw("\r\n12345\r\n"), |mail, to| mail.to(to))
    }

    #[test]
    fn over_lmtp_each_hears_of_its_own_mailbox() {
        let quota = quota();
        let mut client = quota.connect(Session::new().lmtp());
        assert!(client.deliver(mail()).is_accepted());
        let second = client.deliver(mail());
        assert!(second.is_accepted());
        let codes = [0, 1, 2].map(|index| second.answer_to(index).code());
        assert_eq!(codes, [Some(452), None, None]);
        assert_eq!(quota.counter("full"), 1);
    }

    #[test]
    fn over_smtp_one_full_mailbox_defers_the_message_and_costs_the_others_nothing() {
        let quota = quota();
        let codes: Vec<_> = (0..200).map(|_| quota.deliver(mail()).code()).collect();
        assert_eq!(codes[0], None);
        assert!(codes[1..].iter().all(|code| *code == Some(452)));
        assert!(quota.deliver(Mail::new().raw([b'x'; 900]).to("big@example.com")).is_accepted());
    }

    #[test]
    fn who_is_refused_by_another_stage_gets_the_room_back() {
        let quota = quota();
        for _ in 0..3 {
            let mut mail = quota.begin(mail());
            assert_eq!(mail.ask(Phase::Save), Verdict::CONTINUE);
            assert_eq!(mail.recipient(0), None::<Answer>, "there was room");
            mail.set_recipient(0, Verdict::REJECT);
            mail.settle(&Verdict::CONTINUE);
        }
    }
}
