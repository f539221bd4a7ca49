//! The smallest useful plugin: says hello in a header field and in the log.
#![forbid(unsafe_code)]

use guerrilla_plugin_api::{
    Blocking, Host, NoConfig, Phase, Plugin, Transaction, Verdict, export_plugin,
};

/// Greets every message.
pub struct Hello {
    host: Host,
}

impl Plugin for Hello {
    const NAME: &'static str = "Hello";
    const DESCRIPTION: &'static str = "Adds an X-Hello header field";
    const PHASES: &'static [Phase] = &[Phase::Save];
    const BLOCKING: Blocking = Blocking::Never;
    type Config = NoConfig;

    fn create(host: Host, _config: NoConfig) -> Result<Self, String> {
        Ok(Self { host })
    }

    fn save(&self, mut txn: Transaction<'_>) -> Verdict {
        let greeting = format!("to {} recipients", txn.recipients().len());
        if txn.add_header("X-Hello", &greeting).is_err() {
            return Verdict::DEFER;
        }
        self.host.info(format_args!("hello {greeting}"));
        self.host.count("greeted", 1);
        Verdict::CONTINUE
    }
}

export_plugin!(Hello);

#[cfg(test)]
mod tests {
    use super::*;
    use guerrilla_plugin_api::testkit::{Harness, Mail};

    #[test]
    fn says_hello_to_every_recipient() {
        let hello = Harness::<Hello>::new("{}").unwrap();
        let mail = Mail::new().to("a@example.net").to("b@example.net");
        let delivery = hello.deliver(mail);
        assert!(delivery.is_accepted());
        assert_eq!(delivery.mail.header("X-Hello").as_deref(), Some("to 2 recipients"));
        assert!(hello.has_logged("hello to 2 recipients"));
        assert_eq!(hello.counter("greeted"), 1);
    }
}
