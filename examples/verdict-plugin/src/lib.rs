//! Refuses the recipients of a list while the client is still naming them.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use guerrilla_plugin_api::{
    Blocking, Host, Phase, Plugin, Recipient, Reply, Transaction, Verdict, export_plugin,
};

#[derive(serde::Deserialize)]
struct Config {
    /// `user@example.com`, or `@example.com` for all of a domain.
    rejected_recipients: Vec<String>,
}

struct RecipientList {
    host: Host,
    rejected: HashSet<String>,
}

impl Plugin for RecipientList {
    const NAME: &'static str = "RecipientList";
    const DESCRIPTION: &'static str = "Refuses the recipients of a list";
    const PHASES: &'static [Phase] = &[Phase::Rcpt];
    // A look into a table in memory.
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "required": ["rejected_recipients"],
        "properties": {
            "rejected_recipients": {
                "type": "array",
                "items": { "type": "string" },
                "description": "mailboxes, or @ and a domain, in any case"
            }
        }
    }"#;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let names = config.rejected_recipients;
        if let Some(name) = names.iter().find(|name| !name.contains('@')) {
            return Err(format!(
                "rejected_recipients: {name:?} has no @; write user@domain, or @domain"
            ));
        }
        let rejected = names.into_iter().map(|name| name.to_lowercase()).collect();
        Ok(Self { host, rejected })
    }

    fn rcpt(&self, txn: Transaction<'_>) -> Verdict {
        // The last one is the one in question.
        match txn.recipients().next_back() {
            Some(recipient) if self.rejects(recipient) => {
                self.host.count("rejected", 1);
                Verdict::reject(Reply::new(550, "5.1.1", "No such mailbox here"))
            }
            _ => Verdict::CONTINUE,
        }
    }
}

impl RecipientList {
    fn rejects(&self, recipient: Recipient<'_>) -> bool {
        let domain = recipient.domain().to_lowercase();
        let mailbox = format!("{}@{domain}", recipient.local_part().to_lowercase());
        self.rejected.contains(&mailbox) || self.rejected.contains(&format!("@{domain}"))
    }
}

export_plugin!(RecipientList);

#[cfg(test)]
mod tests {
    use super::*;
    use guerrilla_plugin_api::testkit::{Harness, Mail};

    #[test]
    fn those_of_the_list_are_refused_and_the_others_get_the_mail() {
        let list = ["Spam@Example.com", "@closed.example"];
        let config = serde_json::json!({ "rejected_recipients": list });
        let plugin = Harness::<RecipientList>::new(config).unwrap();

        let mail = Mail::new().to("spam@EXAMPLE.com").to("x@closed.example").to("b@example.com");
        let delivery = plugin.deliver(mail);
        assert!(delivery.is_accepted());
        let refused: Vec<_> = delivery.refused.iter().map(|(to, no)| (&**to, no.code())).collect();
        assert_eq!(refused, [("spam@EXAMPLE.com", Some(550)), ("x@closed.example", Some(550))]);
        assert_eq!(plugin.counter("rejected"), 2);

        assert!(plugin.deliver(Mail::new().to("\"spam\"@example.com")).is_rejected());
    }

    #[test]
    fn a_name_without_a_domain_is_a_mistake() {
        let config = serde_json::json!({ "rejected_recipients": ["root"] });
        let error = Harness::<RecipientList>::new(config).err().unwrap();
        assert!(error.starts_with("rejected_recipients: \"root\" has no @"), "{error}");
    }
}
