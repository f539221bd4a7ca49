//! A daemon that comes up without its plugins, or without one of them: it serves, and defers what it cannot keep.

use serde_json::json;

use crate::support::{Setup, guerrillad};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

const TO: [&str; 1] = ["test@example.test"];

/// A chain must not be shortened by what is not there: the rest would acknowledge what nobody keeps.
#[test]
fn what_a_plugin_was_to_keep_is_deferred() {
    let section = json!({"archive": {"use": "MailDir", "maildir_path": "/nowhere"}});
    let daemon = Setup::chain("HeadersParser|Header|archive")
        .backend("processors", section)
        .backend("validate_process", "Policy")
        .flag("--safe-mode")
        .start();
    for (key, name) in [("save_process", "archive"), ("validate_process", "Policy")] {
        let line = format!(
            "backend_config.{key}: processor {name} is not built in, and this is the safe mode: whatever this chain is asked is deferred (451)"
        );
        assert_eq!(daemon.log().with(&line).len(), 1, "{}", daemon.log().text());
    }
    assert_eq!(daemon.log().with("unknown key").len(), 0, "plugins' keys are not called unknown");
    assert_eq!(daemon.log().with(" offers ").len(), 0, "nothing was loaded");
    let mut client = daemon.client();
    client.expect("MAIL FROM:<a@example.com>", "250 ");
    client.expect("RCPT TO:<test@example.test>", "451 4.3.0 ");
    daemon.stop();
}

#[test]
fn a_message_for_the_save_chain_is_deferred_and_others_are_served() {
    let daemon = Setup::chain("HeadersParser|Header|MailDir").flag("--safe-mode").start();
    let reply = daemon.client().mail("a@example.com", &TO, MESSAGE);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    daemon.stop();

    let daemon = Setup::chain("HeadersParser|Header|Debugger").flag("--safe-mode").start();
    let reply = daemon.client().mail("a@example.com", &TO, MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

/// Also with a plugins directory in which nothing would load.
#[test]
fn the_plugins_directory_is_not_looked_at() {
    let setup = Setup::new().flag("--safe-mode");
    std::fs::write(setup.plugins_dir().join("broken.so"), "text").expect("our own directory");
    setup.start().stop();
}

/// A daemon with the crashing plugin and this record of crashes.
fn with_record(chain: &str, record: &str) -> Setup {
    Setup::chain(chain).top("plugins_crash_file", record)
}

#[test]
fn a_plugin_that_crashes_again_and_again_is_not_loaded_any_more() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("crashes");
    let record = path.to_str().expect("UTF-8");
    let chain = "Header|Crashes|MailDir";
    for crash in ["wrong@example.com", "again@example.com", "more@example.com"] {
        let mut daemon = with_record(chain, record).start();
        let mut client = daemon.client();
        client.envelope(crash, &TO);
        client.expect("DATA", "354");
        client.send("Hello.\r\n.\r\n");
        daemon.log().wait_for("FATAL: SIGSEGV in plugin misbehaving-plugin");
        assert_eq!(daemon.exit_code(), None, "the signal has taken its course");
    }
    let text = std::fs::read_to_string(&path).expect("made");
    assert_eq!(text.matches(" misbehaving-plugin SIGSEGV\n").count(), 3, "{text}");

    // It is deferred by name, and nothing of the chain is asked.
    let daemon = with_record(chain, record).start();
    let line = daemon.log().wait_for("in quarantine, not loaded");
    for part in [
        "plugin 'misbehaving-plugin' (/",
        "has ended the daemon 3 times within 10 minutes (last: SIGSEGV)",
        "guerrillad plugins release misbehaving-plugin [plugin.quarantine]",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    daemon.log().wait_for("save_process: processor Crashes is in quarantine");
    let reply = daemon.client().mail("fine@example.com", &TO, MESSAGE);
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert_eq!(daemon.mails("test").len(), 0);
    daemon.stop();

    // Who does not need it is served.
    let daemon = with_record("Header|MailDir", record).start();
    let reply = daemon.client().mail("wrong@example.com", &TO, MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();

    let setup = with_record(chain, record);
    let config = setup.write_config();
    for (expected, text) in [
        (0, "3 crashes forgotten; the next start, or guerrillad reload, loads it"),
        (1, "is on record; there are: none"),
    ] {
        let args = ["plugins", "release", "misbehaving-plugin", "-c", &config];
        let mut process = guerrillad(setup.dir(), args);
        assert_eq!(process.exit_code(), Some(expected));
        let said = process.stdout.text() + &process.stderr.text();
        assert!(said.contains(text), "{said}");
    }
    let daemon = setup.start();
    let reply = daemon.client().mail("fine@example.com", &TO, MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    daemon.stop();
}

#[test]
fn a_record_that_cannot_be_kept_stops_the_start() {
    let (code, complaints) = with_record("Header|MailDir", "/nowhere/at/all").refused();
    assert_eq!(code, Some(78));
    let [line] = &complaints[..] else { panic!("{complaints:?}") };
    assert!(line.starts_with("plugins_crash_file /nowhere/at/all: "), "{line}");
}
