//! Sections for single processors: another name with settings of its own, what a fault means, and when a stage that has
//! nothing but faults is left alone.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Setup;

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

#[test]
fn one_processor_under_two_names() {
    let setup = Setup::chain("Header|MailDir|Archive");
    let archive = setup.dir().join("archive");
    let section = json!({"archive": {
        "use": "maildir",
        "maildir_path": format!("{}/[user]", archive.display()),
        "maildir_user_map": "test=-1:-1",
    }});
    let daemon = setup.backend("processors", section).start();
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(daemon.mails("test").len(), 1);
    assert_eq!(fs::read_dir(archive.join("test/new")).expect("the archive").count(), 1);
    daemon.stop();
}

#[test]
fn a_fault_means_what_the_section_says() {
    for (policy, reply, kept) in
        [("continue", "250 2.0.0 ", 1), ("reject", "554 5.", 0), ("defer", "451 4.3.0 ", 0)]
    {
        let section = json!({"Panics": {"on_fault": policy}});
        let daemon = Setup::chain("Panics|Header|MailDir").backend("processors", section).start();
        let answer = daemon.client().mail("wrong@example.com", &["test@example.test"], MESSAGE);
        assert!(answer.starts_with(reply), "{policy}: {answer}");
        assert_eq!(daemon.mails("test").len(), kept, "{policy}");
        daemon.stop();
    }
}

#[test]
fn a_stage_with_nothing_but_faults_is_left_alone_for_a_while() {
    let daemon = Setup::chain("PanicsInline|Header|MailDir").start();
    let mut client = daemon.client();
    for _ in 0..10 {
        let reply = client.mail("wrong@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    }
    daemon.log().wait_for("PanicsInline: too many faults in a row: not called for");
    let faults = daemon.log().with("PanicsInline: fault:").len();
    let reply = client.mail("wrong@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert_eq!(daemon.log().with("PanicsInline: fault:").len(), faults, "it was not called");

    let give_up = Instant::now() + Duration::from_secs(20);
    while !client.mail("fine@example.com", &["test@example.test"], MESSAGE).starts_with("250 ") {
        assert!(Instant::now() < give_up, "it was never called again");
    }
    daemon.stop();
}

#[test]
fn a_section_nobody_uses_is_a_slip_of_the_pen() {
    let section = json!({"archive": {"use": "MailDri"}, "x": {"on_fault": "perhaps"}});
    let (code, complaints) =
        Setup::chain("Header|MailDir").backend("processors", section).refused();
    assert_eq!(code, Some(78));
    assert!(complaints[0].contains("processors.x.on_fault: expected \"defer\""), "{complaints:?}");

    let section = json!({"archive": {"use": "MailDri"}});
    let (code, complaints) =
        Setup::chain("Header|MailDir").backend("processors", section).refused();
    assert_eq!(code, Some(78));
    assert!(
        complaints[0].contains("there is no processor \"MailDri\"; did you mean MailDir?"),
        "{complaints:?}"
    );
}
