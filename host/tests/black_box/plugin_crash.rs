//! Plugins that end the daemon: it cannot be helped, but the last line says which one it was.

use crate::support::Setup;

/// Starts with this processor, has a mail that is spared, then one that is not; the last words and the exit code.
#[track_caller]
fn last_words(processor: &str) -> (String, Option<i32>) {
    let mut daemon = Setup::chain(&format!("Header|{processor}|MailDir")).start();
    let to = ["test@example.test"];
    let reply = daemon.client().mail("fine@example.com", &to, "Hello.\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
    let mut client = daemon.client();
    client.envelope("someone@example.com", &to);
    client.expect("DATA", "354");
    client.send("Hello.\r\n.\r\n");
    let line = daemon.log().wait_for("FATAL: ");
    let code = daemon.exit_code();
    assert_eq!(daemon.log().with("FATAL: ").len(), 1, "{}", daemon.log().text());
    assert_eq!(daemon.mails("test").len(), 1, "only the first was accepted");
    (line, code)
}

fn attributed(what: &str, processor: &str) -> String {
    format!("FATAL: {what} in plugin misbehaving-plugin (processor {processor}, generation 1)")
}

#[test]
fn a_bad_pointer() {
    // No exit code: the signal has taken its course.
    assert_eq!(last_words("Crashes"), (attributed("SIGSEGV", "Crashes"), None));
}

#[test]
fn a_stack_that_overflows() {
    assert_eq!(last_words("Overflows"), (attributed("SIGSEGV", "Overflows"), None));
}

#[test]
fn abort() {
    assert_eq!(last_words("Aborts"), (attributed("SIGABRT", "Aborts"), None));
}

#[test]
fn exit() {
    // The plugin says 0. Whoever restarts the daemon after a failure is to see one.
    assert_eq!(last_words("Exits"), (attributed("exit()", "Exits"), Some(70)));
}

#[test]
fn what_is_no_plugins_fault() {
    use nix::sys::signal::Signal;

    let mut daemon = Setup::new().start();
    daemon.signal(Signal::SIGILL);
    let line = daemon.log().wait_for("FATAL: ");
    assert!(line.starts_with("FATAL: SIGILL outside of plugins (thread "), "{line}");
    assert_eq!(daemon.exit_code(), None);
}

#[test]
fn an_end_that_was_asked_for_is_no_news() {
    let daemon = Setup::new().start();
    let log = daemon.log().clone();
    daemon.stop();
    assert_eq!(log.with("FATAL").len(), 0, "{}", log.text());
}
