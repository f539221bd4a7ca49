//! From a plugin's verdict to what the client hears and what is kept.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{Client, Setup};

/// What a mail says its verdict is to be, the whole reply to it, and whether it is kept.
const VERDICTS: [(&str, &str, bool); 14] = [
    ("continue", "250 2.0.0 OK: queued as *", true),
    ("accept", "250 2.0.0 OK: queued as *", true),
    ("accept 251 2.1.5 Kept for you", "251 2.1.5 Kept for you", true),
    ("discard", "250 2.*", false),
    ("defer", "451 4.3.0 *", false),
    ("defer 452 4.2.2 Mailbox full", "452 4.2.2 Mailbox full", false),
    ("reject", "554 5.6.0 Message refused", false),
    ("reject 550 5.7.1 We take no mail from you", "550 5.7.1 We take no mail from you", false),
    ("reject 550", "550 5.0.0*", false),
    // Control characters do not reach the client: this is one reply of two lines.
    ("reject 550 5.7.1 no\\n250 2.0.0 yes", "550-5.7.1 no *\n550 5.7.1 250 2.0.0 yes", false),
    // Nobody can tell which of the two was meant.
    ("reject 250 2.0.0 fine", "451 4.3.0 *", false),
    ("defer 550 5.7.1 no", "451 4.3.0 *", false),
    ("accept 451 4.3.0 later", "451 4.3.0 *", false),
    // No reply at all: the verdict stands, with the house's own words.
    ("reject 999 5.7.1 no", "554 5.6.0 Message refused", false),
];

const WHOLE_MESSAGE: &str = "HeadersParser|Header|Hasher|MailDir|Answers";

fn message(answer: &str) -> String {
    format!("Subject: hello\r\nX-Answer: {answer}\r\n\r\nHello.\r\n")
}

/// Whether a text is as expected; `*` at the end of a line stands for any tail.
fn fits(expected: &str, found: &str) -> bool {
    let line = |(expected, found): (&str, &str)| match expected.strip_suffix('*') {
        Some(head) => found.starts_with(head),
        None => found == expected,
    };
    expected.lines().count() == found.lines().count()
        && expected.lines().zip(found.lines()).all(line)
}

#[test]
fn every_verdict_has_its_reply_and_its_effect() {
    let daemon = Setup::chain(WHOLE_MESSAGE).start();
    let mut client = daemon.client();
    for (index, (answer, expected, kept)) in VERDICTS.into_iter().enumerate() {
        let user = format!("user{index}");
        let to = format!("{user}@example.test");
        let reply = client.mail("a@example.com", &[&to], &message(answer));
        assert!(fits(expected, &reply), "{answer}: expected {expected}, found {reply}");
        assert_eq!(daemon.mails(&user).len(), usize::from(kept), "{answer}");
        assert_eq!(daemon.unfinished(&user).len(), 0, "{answer}");
    }
    client.expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn a_verdict_can_end_the_connection() {
    let daemon = Setup::chain(WHOLE_MESSAGE).start();
    for (answer, expected) in
        [("disconnect", "421 4.7.0 "), ("disconnect 554 5.7.1 Go away", "554 5.7.1 Go away")]
    {
        let mut client = daemon.client();
        let reply = client.mail("a@example.com", &["test@example.test"], &message(answer));
        assert!(reply.starts_with(expected), "{answer}: {reply}");
        client.expect_end();
    }
    assert_eq!(daemon.mails("test").len(), 0);
    daemon.stop();
}

#[test]
fn over_smtp_the_worst_recipient_decides_for_all() {
    let daemon = Setup::chain(WHOLE_MESSAGE).start();
    let to = ["a@example.test", "b@example.test"];
    let mut client = daemon.client();
    for (answer, expected) in [
        ("1 reject 550 5.2.1 Gone", "550 5.2.1 Gone"),
        ("0 defer 452 4.2.2 Full", "452 4.2.2 Full"),
    ] {
        let message = format!("X-Answer-Recipient: {answer}\r\n\r\nHello.\r\n");
        assert_eq!(client.mail("a@example.com", &to, &message), expected);
        assert_eq!((daemon.mails("a").len(), daemon.mails("b").len()), (0, 0));
    }
    daemon.stop();
}

#[test]
fn over_smtp_stages_behind_a_refusing_one_are_not_asked() {
    let daemon = Setup::chain("Answers|Recorder").start();
    let message = "X-Answer-Recipient: 1 defer 452 4.2.2 Full\r\n\r\nHello.\r\n";
    let mut client = daemon.client();
    let to = ["a@example.test", "b@example.test"];
    assert_eq!(client.mail("a@example.com", &to, message), "452 4.2.2 Full");
    let saved = daemon.records().into_iter().filter(|record| record["what"] == "save").count();
    assert_eq!(saved, 0, "kept though the client will send it again");
    daemon.stop();
}

#[test]
fn notifications_are_offered_when_a_stage_honours_them() {
    let daemon = Setup::chain("Honours|Header|MailDir").start();
    let mut client = daemon.client();
    let offers = client.expect("EHLO client.example", "250");
    assert!(offers.contains("DSN") && !offers.contains("REQUIRETLS"), "in the clear: {offers}");
    client.expect("MAIL FROM:<a@example.com> RET=HDRS ENVID=x+20y", "250 ");
    client.expect("RCPT TO:<test@example.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a@b.test", "250 ");
    client.expect("DATA", "354 ");
    client.expect("Hello.\r\n.", "250 2.0.0 ");
    daemon.log().wait_for(
        r#"Honours: test@example.test asked [("NOTIFY", Some("FAILURE,DELAY")), ("ORCPT", Some("rfc822;a@b.test"))]"#,
    );
    daemon.stop();

    let daemon = Setup::chain("Header|MailDir").start();
    let mut client = daemon.client();
    assert!(!client.expect("EHLO client.example", "250").contains("DSN"));
    client.expect("MAIL FROM:<a@example.com> RET=HDRS", "555 5.5.4 ");
    daemon.stop();
}

#[test]
fn over_lmtp_each_recipient_has_a_reply() {
    let daemon = Setup::chain(WHOLE_MESSAGE).server("protocol", "lmtp").start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("EHLO client.example", "500 5.5.1 ");
    client.expect("LHLO client.example", "250");
    let to = ["a@example.test", "b@example.test", "c@example.test"];
    let message = "X-Answer-Recipient: 1 defer 452 4.2.2 Mailbox full\r\n\r\nHello.\r\n";
    let first = client.mail("a@example.com", &to, message);
    assert!(first.starts_with("250 2.0.0 OK: queued as "), "{first}");
    assert_eq!(client.reply(), "452 4.2.2 Mailbox full");
    client.expect_reply("250 2.0.0 OK: queued as ");
    client.expect("QUIT", "221 ");
    let kept = ["a", "b", "c"].map(|user| daemon.mails(user).len());
    assert_eq!(kept, [1, 0, 1], "who was told 452 has nothing");
    daemon.stop();
}

#[test]
fn over_lmtp_a_verdict_on_the_message_is_told_for_each_recipient() {
    let chain = "HeadersParser|Header|Hasher|MailDir|Answers|PanicsInline";
    let daemon = Setup::chain(chain).server("protocol", "lmtp").start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("LHLO client.example", "250");
    for (from, answer, expected, kept) in [
        ("fine@example.com", "defer 452 4.2.2 Full", "452 4.2.2 Full", 0),
        ("fine@example.com", "reject 550 5.7.1 No", "550 5.7.1 No", 0),
        ("fine@example.com", "discard", "250 2.", 0),
        ("wrong@example.com", "continue", "451 4.3.0 ", 0),
        ("fine@example.com", "continue", "250 2.0.0 OK: queued as ", 1),
    ] {
        let first = client.mail(from, &["a@example.test", "b@example.test"], &message(answer));
        assert!(first.starts_with(expected), "{answer}: {first}");
        client.expect_reply(expected);
        client.expect("NOOP", "250 2.0.0 ");
        assert_eq!((daemon.mails("a").len(), daemon.mails("b").len()), (kept, kept), "{answer}");
    }
    daemon.stop();
}

/// PRDR: the same over SMTP, for clients that ask for it.
#[test]
fn with_prdr_each_recipient_has_a_reply() {
    let daemon = Setup::chain(WHOLE_MESSAGE).start();
    let mut client = daemon.client();
    let to = ["a@example.test", "b@example.test", "c@example.test"];
    let message = "X-Answer-Recipient: 1 defer 452 4.2.2 Mailbox full\r\n\r\nHello.\r\n";
    for (parameter, replies, kept) in [
        (
            " PRDR",
            &["353 ", "250 2.0.0 OK", "452 4.2.2 Mailbox full", "250 2.0.0 OK", "250 "][..],
            [1, 0, 1],
        ),
        ("", &["452 4.2.2 Mailbox full"], [1, 0, 1]),
    ] {
        client.expect(&format!("MAIL FROM:<a@example.com>{parameter}"), "250 ");
        for to in to {
            client.expect(&format!("RCPT TO:<{to}>"), "250 ");
        }
        client.expect("DATA", "354 ");
        client.send(format!("{message}.\r\n"));
        for reply in replies {
            client.expect_reply(reply);
        }
        client.expect("NOOP", "250 2.0.0 OK");
        assert_eq!(["a", "b", "c"].map(|user| daemon.mails(user).len()), kept, "{parameter}");
    }
    client.expect("MAIL FROM:<a@example.com> PRDR", "250 ");
    client.expect("RCPT TO:<a@example.test>", "250 ");
    client.expect("RCPT TO:<b@example.test>", "250 ");
    client.expect("DATA", "354 ");
    client.send("X-Answer: reject 550 5.7.1 No\r\n\r\nHello.\r\n.\r\n");
    client.expect_reply("550 5.7.1 No");
    client.expect("QUIT", "221 ");
    let kept = ["a", "b", "c"].map(|user| daemon.mails(user).len());
    assert_eq!(kept, [1, 0, 1], "a verdict on the message is one for all");
    daemon.stop();
}

/// RFC 5321 section 4.1.4: a refused EHLO leaves all as it was, also what processors know of the client.
#[test]
fn a_refused_helo_leaves_the_name_that_was_accepted() {
    let daemon = Setup::chain("Header|MailDir|Recorder").backend("helo_process", "Policy").start();
    let mut client = daemon.client();
    let mail = "Subject: hello\r\n\r\nHello.\r\n";
    for refused in [&["HELO refused.test"][..], &["EHLO refused.test", "HELO refused.test"]] {
        for command in refused {
            client.expect(command, "550 Not you");
        }
        let reply = client.mail("a@example.com", &["test@example.test"], mail);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    client.expect("HELO other.example", "250 ");
    assert!(client.mail("a@example.com", &["test@example.test"], mail).starts_with("250 "));
    let records = daemon.records();
    let helo = records.iter().filter(|record| record["what"] == "settled").map(|r| &r["helo"]);
    assert!(helo.eq(["client.example", "client.example", "other.example"]), "{records:?}");
    let with = |name| daemon.mails("test").iter().filter(|mail| mail.contains(name)).count();
    assert_eq!((with("client.example"), with("refused.test")), (2, 0), "in Received");
    daemon.stop();
}

#[test]
fn earlier_phases_refuse_with_their_own_replies() {
    let daemon = Setup::new()
        .backend("helo_process", "Policy")
        .backend("mail_process", "Policy")
        .backend("validate_process", "Policy|MailDir")
        .top("allowed_hosts", json!(["example.test", "refused.test"]))
        .start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("EHLO refused.test", "550 Not you");
    client.expect("MAIL FROM:<a@example.com>", "503 5.5.1 ");
    client.expect("EHLO client.example", "250");
    client.expect("MAIL FROM:<a@refused.test>", "550 5.7.1 Relay access denied");
    client.expect("MAIL FROM:<a@example.com>", "250 2.1.0 ");
    client.expect("RCPT TO:<unknown@example.test>", "550 5.1.1 User unknown");
    client.expect("RCPT TO:<busy@example.test>", "450 4.2.1 Mailbox busy");
    client.expect("RCPT TO:<a@refused.test>", "550 5.7.1 Relay access denied");
    client.expect("RCPT TO:<..@example.test>", "5");
    client.expect("RCPT TO:<test@example.test>", "250 2.1.5 ");
    client.expect("DATA", "354 ");
    client.send("Hello.\r\n");
    client.expect(".", "250 2.0.0 ");
    assert_eq!(daemon.mails("test").len(), 1);
    client.expect("MAIL FROM:<a@example.com>", "250 ");
    client.expect("RCPT TO:<slammed@example.test>", "521 5.3.2 This host takes no mail");
    client.expect_end();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("HELO disconnected.test", "421 ");
    client.expect_end();
    daemon.stop();
}

#[test]
fn every_message_has_an_id_of_its_own() {
    let daemon = Setup::chain("Header|MailDir|Recorder|Panics").start();
    let mut client = daemon.client();
    let mut told = Vec::new();
    for from in ["wrong@example.com", "fine@example.com", "wrong@example.com", "fine@example.com"] {
        let reply = client.mail(from, &["test@example.test"], "Hello.\r\n");
        told.extend(reply.strip_prefix("250 2.0.0 OK: queued as ").map(str::to_owned));
    }
    let ids: Vec<String> = daemon
        .records()
        .iter()
        .filter(|record| record["what"] == "save")
        .map(|record| record["id"].as_str().expect("text").to_owned())
        .collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), 4, "used twice: {ids:?}");
    assert_eq!(told, [ids[1].clone(), ids[3].clone()], "the client was told another id");
    let mails = daemon.mails("test");
    assert!(mails[0].contains(&ids[1]) && mails[1].contains(&ids[3]), "{mails:?}");
    daemon.stop();
}
