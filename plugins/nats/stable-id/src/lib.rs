//! An id that a mail keeps when its client sends it again.
//!
//! A client that has not heard our answer sends its mail once more, perhaps to another daemon. Sinks that know a copy by an id (the
//! `Nats-Msg-Id` of a stream, the idempotency key of an HTTP endpoint) keep one then. The queued id does not serve, for it is new
//! with every attempt.
#![forbid(unsafe_code)]

use guerrilla_plugin_api::{Recipient, Transaction};
use sha2::{Digest, Sha256};

/// The id of the message in hand: 64 hexadecimal digits of SHA-256 over reverse-path, forward-paths and message as received.
///
/// Two notices without a Message-ID (RFC 5322 section 3.6.4), equal to the octet, may be two mails, so for such a message the queued
/// id comes in front, which is the same for all attempts of one transaction only. It does not stand alone: of two mails of one
/// queued id, wherever it is from, one would be lost.
pub fn stable_id(txn: &Transaction<'_>) -> String {
    let mut digest = Sha256::new();
    if txn.header("Message-ID").is_none() {
        digest.update(txn.queued_id());
        digest.update([0, 0]);
    }
    digest.update(txn.sender().unwrap_or_default());
    for recipient in wanted(txn) {
        // No address has this octet, so no two lists look the same.
        digest.update([0]);
        digest.update(recipient);
    }
    digest.update([0, 0]);
    digest.update(txn.body());
    digest.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The addresses of the recipients that no earlier stage has refused: those are answered for.
pub fn wanted<'t>(txn: &'t Transaction<'_>) -> impl Iterator<Item = &'t str> {
    txn.recipients().filter(|recipient| !recipient.is_refused()).map(Recipient::address)
}

#[cfg(test)]
mod tests {
    use guerrilla_plugin_api::testkit::{Harness, Mail};
    use guerrilla_plugin_api::{Blocking, Host, NoConfig, Phase, Plugin, Verdict};

    use super::*;

    /// Leaves the id as its queued id, so that the test sees it.
    struct Naming;

    impl Plugin for Naming {
        const NAME: &'static str = "Naming";
        const PHASES: &'static [Phase] = &[Phase::Save];
        const BLOCKING: Blocking = Blocking::Never;
        type Config = NoConfig;

        fn create(_: Host, _: NoConfig) -> Result<Self, String> {
            Ok(Self)
        }

        fn save(&self, mut txn: Transaction<'_>) -> Verdict {
            let id = stable_id(&txn);
            txn.set_queued_id(&id).unwrap();
            Verdict::CONTINUE
        }
    }

    fn id(mail: Mail) -> String {
        let naming = Harness::<Naming>::new("{}").unwrap();
        let mut transit = naming.begin(mail);
        assert!(transit.ask(Phase::Save).is_accepted());
        transit.queued_id()
    }

    fn mail(queued: &str) -> Mail {
        let mail = Mail::new().from("me@a.test").to("b@c.test").queued_id(queued);
        mail.header("Message-ID", "<1@a.test>")
    }

    #[test]
    fn a_mail_that_comes_again_has_the_same_id() {
        let first = id(mail("1").body("x\r\n"));
        assert_eq!(first.len(), 64);
        assert_eq!(id(mail("2").body("x\r\n")), first);
        assert_ne!(id(mail("3").body("y\r\n")), first, "another text");
        assert_ne!(id(mail("4").to("d@c.test").body("x\r\n")), first, "another recipient");
        assert_ne!(id(mail("5").from("x@a.test").body("x\r\n")), first, "another sender");
    }

    #[test]
    fn mails_that_nothing_tells_apart_are_two() {
        let notice =
            |queued| Mail::new().raw("Subject: done\r\n\r\nAll is well.\r\n").queued_id(queued);
        assert_eq!(id(notice("q1")), id(notice("q1")));
        assert_ne!(id(notice("q1")), id(notice("q2")));
    }

    #[test]
    fn a_queued_id_alone_does_not_make_one_mail_of_two() {
        let report =
            |what| Mail::new().raw(format!("Subject: {what}\r\n\r\nDone.\r\n")).queued_id("q");
        assert_ne!(id(report("backup")), id(report("restore")));
        assert_ne!(id(report("backup")), id(report("backup").to("another@c.test")));
    }
}
