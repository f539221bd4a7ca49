//! What plugins write, in the daemon's log: at its level, also when that changes; under their name; with the session.

use crate::support::{Daemon, Setup};

/// By the SDK's words, and by `tracing`, of which the plugin has a copy of its own.
const HOW: [&str; 2] = ["said as", "traced as"];

/// Delivers a mail; how many lines there are then that say this, at most.
#[track_caller]
fn details_after_another_mail(daemon: &Daemon, mails: usize) -> [usize; 2] {
    let reply = daemon.client().mail("a@example.com", &["test@example.test"], "Hello.\r\n");
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    for how in HOW {
        for what in ["an error", "a warning", "news"] {
            daemon.log().wait_for_so_many(mails, &format!(" Talks: {how} {what}"));
        }
    }
    // Details come before the answer, and this line comes after it.
    daemon.log().wait_for_so_many(mails, " message ");
    HOW.map(|how| daemon.log().with(&format!(" Talks: {how} a detail")).len())
}

#[test]
fn lines_follow_the_level_of_the_daemon_while_it_changes() {
    let daemon = Setup::chain("Header|Talks|MailDir").top("log_level", "info").start();
    // The second time each callsite has been met at another level.
    for (mails, level, details) in
        [(1, "info", 0), (2, "debug", 1), (3, "info", 1), (4, "debug", 2)]
    {
        if mails > 1 {
            daemon.edit(|config| config["log_level"] = level.into());
            daemon.reload().expect("another level");
        }
        let found = details_after_another_mail(&daemon, mails);
        assert_eq!(found, [details; 2], "{level}:\n{}", daemon.log().text());
    }
    let line = daemon.log().wait_for("said as news");
    let before = line.split(" Talks: ").next().and_then(|line| line.split(' ').next_back());
    let session = before.expect("the session");
    let traced = daemon.log().wait_for("traced as news");
    assert!(traced.contains(session), "{session} in {traced}");
    daemon.stop();
}
