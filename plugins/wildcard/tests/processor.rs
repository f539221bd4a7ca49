//! The processor as the daemon calls it.

use guerrilla_plugin_api::Plugin;
use guerrilla_plugin_api::testkit::{Harness, Mail, check_keys_of_readme};
use wildcard::Wildcard;

fn wildcard(hosts: &str) -> Result<Harness<Wildcard>, String> {
    Harness::new(serde_json::json!({ "wildcard_hosts": hosts }))
}

#[test]
fn only_the_recipient_in_question_is_refused() {
    let wildcard = wildcard("!no.example.org, *.example.org, grr.la").unwrap();
    let mail =
        Mail::new().to("a@GRR.la").to("b@no.example.org").to("c@x.test").to("d@x.Example.org");
    let delivery = wildcard.deliver(mail);
    assert!(delivery.is_accepted(), "for the others");
    let refused: Vec<_> = delivery.refused.iter().map(|(to, no)| (&**to, no.code())).collect();
    assert_eq!(refused, [("b@no.example.org", Some(550)), ("c@x.test", Some(550))]);
    assert_eq!(wildcard.counter("refused"), 2);
}

#[test]
fn postmaster_and_address_literals() {
    let wildcard = wildcard("[192.0.2.1], grr.la").unwrap();
    assert!(wildcard.deliver(Mail::new().to("postmaster")).is_accepted());
    assert!(wildcard.deliver(Mail::new().to("a@[192.0.2.1]")).is_accepted());
    assert!(wildcard.deliver(Mail::new().to("a@[192.0.2.2]")).is_rejected());
    assert!(wildcard.deliver(Mail::new().to("\"a@grr.la\"@other.test")).is_rejected());
}

#[test]
fn a_configuration_that_cannot_be_used_is_explained_in_one_line() {
    for (hosts, says) in [("", "accepts no host"), ("a[", "\"a[\""), ("!", "without a pattern")] {
        let refused = wildcard(hosts).err().unwrap();
        assert!(refused.contains(says) && !refused.contains('\n'), "{refused}");
    }
}

#[test]
fn the_readme_describes_every_key_and_no_other() {
    check_keys_of_readme(include_str!("../README.md"), Wildcard::CONFIG_SCHEMA);
}
