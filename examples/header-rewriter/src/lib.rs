//! Removes header fields from messages and adds others, as configured.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use guerrilla_plugin_api::{
    Blocking, Host, Phase, Plugin, Refused, Transaction, Verdict, export_plugin,
};

#[derive(serde::Deserialize)]
struct Config {
    #[serde(default)]
    header_remove: Vec<String>,
    #[serde(default)]
    header_add: BTreeMap<String, String>,
}

struct HeaderRewriter {
    host: Host,
    config: Config,
}

impl Plugin for HeaderRewriter {
    const NAME: &'static str = "HeaderRewriter";
    const DESCRIPTION: &'static str = "Removes and adds header fields";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    const CONFIG_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": {
            "header_remove": {
                "type": "array",
                "items": { "type": "string" },
                "description": "names of header fields to remove, in any case"
            },
            "header_add": {
                "type": "object",
                "additionalProperties": { "type": "string" },
                "description": "header fields to add in front; {id} stands for the id of the message"
            }
        }
    }"#;
    type Config = Config;

    fn create(host: Host, config: Config) -> Result<Self, String> {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
        };
        let names = config.header_remove.iter().map(|name| ("header_remove", name));
        let names = names.chain(config.header_add.keys().map(|name| ("header_add", name)));
        for (key, name) in names {
            if !is_name(name) {
                return Err(format!(
                    "{key}: {name:?} is no name of a header field; write it without colon and blanks"
                ));
            }
        }
        Ok(Self { host, config })
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        match self.rewrite(&mut txn) {
            Ok(()) => Verdict::CONTINUE,
            Err(error) => {
                self.host.error(format_args!("{}: {error}", txn.queued_id()));
                Verdict::DEFER
            }
        }
    }
}

impl HeaderRewriter {
    fn rewrite(&self, txn: &mut Transaction<'_>) -> Result<(), Refused> {
        // The body stays as received: what is removed is left out when the message is stored.
        let removed: usize =
            self.config.header_remove.iter().map(|name| txn.remove_header(name)).sum();
        self.host.count("removed", removed as u64);
        let id = txn.queued_id().to_owned();
        self.config
            .header_add
            .iter()
            .try_for_each(|(name, value)| txn.add_header(name, &value.replace("{id}", &id)))
    }
}

export_plugin!(HeaderRewriter);

#[cfg(test)]
mod tests {
    use super::*;
    use guerrilla_plugin_api::testkit::{Harness, Mail};

    #[test]
    fn fields_are_removed_and_added() {
        let plugin = Harness::<HeaderRewriter>::new(serde_json::json!({
            "header_remove": ["x-spam-flag", "Bcc"],
            "header_add": { "X-Archive": "messages/{id}" },
        }))
        .unwrap();
        let mail = Mail::new()
            .queued_id("m1")
            .header("X-Spam-Flag", "NO,\r\n really")
            .subject("hello")
            .header("bcc", "secret@example.com")
            .header("BCC", "another@example.com")
            .body("Bcc: not a header field\r\n");
        let delivery = plugin.deliver(mail);
        assert!(delivery.is_accepted());
        let stored = delivery.mail.stored();
        assert_eq!(
            String::from_utf8_lossy(&stored),
            "X-Archive: messages/m1\r\nSubject: hello\r\n\r\nBcc: not a header field\r\n"
        );
        assert_eq!(plugin.counter("removed"), 3);
    }

    #[test]
    fn a_value_that_would_break_the_header_is_not_sent_on() {
        let add = serde_json::json!({ "header_add": { "X-A": "1\r\nX-B: 2" } });
        let plugin = Harness::<HeaderRewriter>::new(add).unwrap();
        assert!(plugin.deliver(Mail::new()).is_deferred());
        assert!(plugin.has_logged("malformed"));
    }

    #[test]
    fn a_name_that_is_none_is_a_mistake() {
        let config = serde_json::json!({ "header_remove": ["Subject:"] });
        let error = Harness::<HeaderRewriter>::new(config).err().unwrap();
        assert!(error.starts_with("header_remove: \"Subject:\" is no name"), "{error}");
    }
}
