//! Files that the settings of a processor name (authorities, certificates, keys): SIGHUP takes what is in them then.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Daemon, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// A daemon whose Recorder seals its records with the content of a file.
fn daemon(seal: &str) -> Daemon {
    let setup = Setup::chain("Header|Recorder|MailDir");
    let file = setup.dir().join("seal");
    fs::write(&file, seal).expect("our own directory");
    setup.backend("misbehaving_seal_file", file.display().to_string()).start()
}

/// Puts another file in the place of that one, as tools that renew certificates do.
fn renew(daemon: &Daemon, seal: &str) {
    let draft = daemon.dir().join("draft");
    fs::write(&draft, seal).expect("our own directory");
    fs::rename(&draft, daemon.dir().join("seal")).expect("our own directory");
}

/// The seal of a mail that is sent now.
#[track_caller]
fn seal(daemon: &Daemon) -> String {
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let records = daemon.records();
    let settled = records.iter().rfind(|record| record["what"] == "settled").expect("a record");
    settled["seal"].as_str().expect("sealed").to_owned()
}

#[test]
fn a_changed_file_means_a_new_instance() {
    let daemon = daemon("first");
    assert_eq!(seal(&daemon), "first");
    assert_eq!(daemon.reload().expect("reloaded"), [""; 0]);
    assert!(daemon.log().with("last message is done").is_empty(), "the same instance goes on");

    renew(&daemon, "second");
    assert_eq!(daemon.reload().expect("reloaded"), ["config_change:backend_config"]);
    assert_eq!(seal(&daemon), "second");
    daemon
        .log()
        .wait_for(&format!("Recorder: file {} has changed", daemon.dir().join("seal").display()));
    daemon.log().wait_for("Recorder: its last message is done; stopped");
    assert_eq!(daemon.log().with("its last message is done").len(), 1, "nobody else's instance");
    daemon.stop();
}

#[test]
fn one_that_cannot_be_used_changes_nothing() {
    let daemon = daemon("first");
    fs::remove_file(daemon.dir().join("seal")).expect("there");
    let refused = daemon.reload().expect_err("to be refused");
    assert!(refused[0].contains("misbehaving_seal_file: No such file"), "{refused:?}");
    assert_eq!(seal(&daemon), "first");
    renew(&daemon, "second");
    assert_eq!(daemon.reload().expect("reloaded"), ["config_change:backend_config"]);
    assert_eq!(seal(&daemon), "second");
    daemon.stop();
}

/// What a link leads to counts, as with certificates that are renewed by changing links.
#[test]
fn a_link_that_leads_elsewhere_is_a_change() {
    let setup = Setup::chain("Header|Recorder|MailDir");
    let link = setup.dir().join("current");
    let lead_to = |name: &str, link: &Path| {
        let target = link.with_file_name(name);
        fs::write(&target, name).expect("our own directory");
        let draft = link.with_file_name("draft");
        std::os::unix::fs::symlink(target, &draft).expect("our own directory");
        fs::rename(draft, link).expect("our own directory");
    };
    lead_to("first", &link);
    let section = json!({"Recorder": {"misbehaving_seal_file": link.display().to_string()}});
    let daemon = setup.backend("processors", section).start();
    assert_eq!(seal(&daemon), "first");
    lead_to("second", &daemon.dir().join("current"));
    daemon.reload().expect("reloaded");
    assert_eq!(seal(&daemon), "second");
    daemon.stop();
}
