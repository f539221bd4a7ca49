//! What an operator finds in the log when somebody asks why a mail was not taken.

use serde_json::json;

use crate::support::{Client, Setup};

/// Every way to be refused before there is a message, each with all that its line says behind the time.
#[test]
fn whoever_is_refused_has_a_line_with_the_reply() {
    let daemon = Setup::new()
        .backend("helo_process", "Policy")
        .backend("mail_process", "Policy")
        .backend("validate_process", "Policy")
        .server("max_size", 2000)
        .start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    let mut lines = 0;
    let mut refused = |client: &mut Client, command: &str, reply: &str, line: &[&str]| {
        client.expect(command, reply);
        lines += 1;
        let found = daemon.log().wait_for_so_many(lines, " refused ").remove(lines - 1);
        for part in line {
            assert!(found.contains(part), "{command}: no {part} in {found}");
        }
        found
    };
    let line = ["HELO refused ", " helo=refused.test ", r#" reply="550 5.7.1 Not you""#];
    let first = refused(&mut client, "EHLO refused.test", "550 Not you", &line);
    assert!(!first.contains(" from="), "{first}");
    client.expect("EHLO client.example", "250");
    let line = ["sender refused ", " from=<a@refused.test> ", r#" reply="550 5.7.1 Relay "#];
    refused(&mut client, "MAIL FROM:<a@refused.test>", "550 5.7.1 ", &line);
    let line = ["command refused ", r#" command="MAIL FROM:<a@b.example> SIZE\u{3d}3000" "#];
    refused(&mut client, "MAIL FROM:<a@b.example> SIZE=3000", "552 5.3.4 ", &line);
    client.expect("RCPT TO:<a@example.test>", "503 ");
    client.expect("MAIL FROM:<a@b.example>", "250 ");
    let line = ["recipient refused ", " from=<a@b.example> ", " to=<a@c.example> ", "Relay access"];
    refused(&mut client, "RCPT TO:<a@c.example>", "550 5.7.1 ", &line);
    let line =
        ["recipient refused ", " to=<unknown@example.test> ", r#"="550 5.1.1 User unknown""#];
    refused(&mut client, "RCPT TO:<unknown@example.test>", "550 5.1.1 ", &line);
    let line = ["command refused ", "RCPT TO:<..@example.test>", "501 5.1.3 "];
    refused(&mut client, "RCPT TO:<..@example.test>", "501 5.1.3 ", &line);
    client.expect("RCPT TO:<b@example.test>", "250 ");
    client.expect("DATA", "354 ");
    client.send(format!("Subject: x\r\n\r\n{}", "y\r\n".repeat(1000)));
    let line = ["message refused ", " from=<a@b.example> ", " to=<b@example.test> ", "552 5.3.4 "];
    refused(&mut client, ".", "552 5.3.4 ", &line);
    client.envelope("a@b.example", &["b@example.test", "c@example.test"]);
    client.expect("DATA", "354 ");
    client.send("Subject: x\n\r\n");
    let line = ["message refused ", " to=<b@example.test>,<c@example.test> ", "550 5.5.2 "];
    refused(&mut client, ".", "550 5.5.2 ", &line);
    client.expect("QUIT", "221 ");
    daemon.log().wait_for("closed reason=");
    assert_eq!(daemon.log().with(" refused ").len(), lines, "one line for each");
    daemon.stop();
}

/// Over LMTP and with chunks, too; nobody has lost a message that was for nobody.
#[test]
fn a_spoilt_message_has_one_line_however_many_replies() {
    let daemon = Setup::new().server("protocol", "lmtp").server("max_size", json!(2000)).start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("LHLO client.example", "250");
    client.envelope("a@b.example", &["b@example.test", "c@example.test"]);
    client.expect("DATA", "354 ");
    client.send("Subject: x\n\r\n.\r\n");
    client.expect_reply("550 5.5.2 ");
    client.expect_reply("550 5.5.2 ");
    client.expect("MAIL FROM:<a@b.example>", "250 ");
    client.expect("RCPT TO:<b@example.test>", "250 ");
    client.send(format!("BDAT 3000 LAST\r\n{}", "y".repeat(3000)));
    client.expect_reply("552 5.3.4 ");
    client.expect("MAIL FROM:<a@b.example>", "250 ");
    client.send("BDAT 3 LAST\r\nyes");
    client.expect_reply("503 5.5.1 ");
    client.expect("QUIT", "221 ");
    daemon.log().wait_for("closed reason=");
    let found = daemon.log().with(" refused ");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains(" to=<b@example.test>,<c@example.test> "), "{found:?}");
    assert!(found[1].contains("552 5.3.4 "), "{found:?}");
    daemon.stop();
}

/// The line of the message is for all of them.
#[test]
fn recipients_that_are_refused_with_the_message_are_named() {
    let daemon = Setup::chain("Policy|Header|MailDir").server("protocol", "lmtp").start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("LHLO client.example", "250");
    let to = ["a@example.test", "full@example.test"];
    client.mail("a@b.example", &to, "Subject: x\r\n\r\nHello.\r\n");
    client.expect_reply("452 4.2.2 ");
    let line = daemon.log().wait_for("recipient refused ");
    assert!(line.contains(r#" to=<full@example.test> reply="452 4.2.2 Mailbox full""#), "{line}");
    daemon.log().wait_for("message accepted ");
    client.expect("QUIT", "221 ");
    daemon.stop();

    let daemon = Setup::chain("Policy|Header|MailDir").start();
    let reply = daemon.client().mail("a@b.example", &to, "Subject: x\r\n\r\nHello.\r\n");
    assert!(reply.starts_with("452 4.2.2 "), "{reply}");
    let line = daemon.log().wait_for("recipient refused ");
    assert!(line.contains(" to=<full@example.test> "), "{line}");
    assert!(daemon.log().wait_for("message deferred ").contains("452 4.2.2 "));
    daemon.stop();
}
