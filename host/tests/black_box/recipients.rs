//! Recipients that are refused one by one: who hears what, who has the message, and that nobody is told of a copy that is
//! not there.

use std::fs;

use serde_json::json;

use crate::support::{Client, Daemon, Setup};

const TO: [&str; 2] = ["a@example.test", "b@example.test"];

/// A mail with a verdict for each of these recipients, by index, and one for all if it is not empty.
fn message(recipients: &[&str], answer: &str) -> String {
    let each = recipients.iter().map(|answer| format!("X-Answer-Recipient: {answer}\r\n"));
    let all = if answer.is_empty() { String::new() } else { format!("X-Answer: {answer}\r\n") };
    format!("{}{all}\r\nHello, this is more than ten octets.\r\n", each.collect::<String>())
}

fn lmtp(daemon: &Daemon) -> Client {
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    client.expect("LHLO client.example", "250");
    client
}

/// Sends a mail on a connection that has one reply for each recipient.
#[track_caller]
fn each(client: &mut Client, to: &[&str], message: &str) -> Vec<String> {
    let first = client.mail("a@example.com", to, message);
    let replies = [first].into_iter().chain(to[1..].iter().map(|_| client.reply())).collect();
    client.expect("NOOP", "250 2.0.0 ");
    replies
}

fn kept(daemon: &Daemon) -> (usize, usize) {
    (daemon.mails("a").len(), daemon.mails("b").len())
}

fn saved(daemon: &Daemon) -> usize {
    daemon.records().iter().filter(|record| record["what"] == "save").count()
}

/// The one who is refused would have no copy, and the client no reason to send again.
#[test]
fn over_smtp_a_stage_cannot_accept_the_message_of_whom_it_has_refused() {
    for chain in ["Header|MailDir|Answers", "Answers|Header|MailDir", "Answers"] {
        let daemon = Setup::chain(chain).start();
        let mut client = daemon.client();
        for (recipient, answer, expected) in [
            ("1 reject 550 5.2.1 Gone", "accept", "550 5.2.1 Gone"),
            ("1 defer 452 4.2.2 Full", "accept 250 2.0.0 Stored here", "452 4.2.2 Full"),
        ] {
            let message = message(&[recipient], answer);
            assert_eq!(client.mail("a@example.com", &TO, &message), expected, "{chain}: {answer}");
            assert_eq!(kept(&daemon), (0, 0), "{chain}: {answer}");
        }
        daemon.stop();
    }
}

#[test]
fn where_each_is_answered_all_who_are_refused_hear_why() {
    let daemon = Setup::chain("Answers|Header|MailDir|Recorder").server("protocol", "lmtp").start();
    let mut client = lmtp(&daemon);
    let (gone, full) = ("550 5.2.1 Gone", "452 4.2.2 Full");
    for (answer, expected) in [("0 reject 550 5.2.1 Gone", gone), ("0 defer 452 4.2.2 Full", full)]
    {
        assert_eq!(each(&mut client, &TO[..1], &message(&[answer], "")), [expected]);
    }
    let both = ["0 defer 452 4.2.2 Full", "1 reject 550 5.2.1 Gone"];
    for answer in ["", "accept", "accept 250 2.0.0 Fine"] {
        assert_eq!(each(&mut client, &TO, &message(&both, answer)), [full, gone], "{answer}");
    }
    // The verdict on the message goes before those on recipients.
    let replies = each(&mut client, &TO, &message(&both, "defer 451 4.7.1 Later"));
    assert_eq!(replies, ["451 4.7.1 Later"; 2]);
    assert_eq!((saved(&daemon), kept(&daemon)), (0, (0, 0)), "stored for nobody");
    assert_eq!(daemon.log().with("nothing was prepared").len(), 0);
    assert_eq!(daemon.log().with("message accepted").len(), 0);
    daemon.log().wait_for_so_many(5, "message deferred");
    daemon.log().wait_for("message rejected");
    daemon.stop();
}

#[test]
fn a_store_in_front_takes_back_what_nobody_is_to_have() {
    let daemon = Setup::chain("Header|MailDir|Answers").server("protocol", "lmtp").start();
    let mut client = lmtp(&daemon);
    let both = ["0 defer 452 4.2.2 Full", "1 reject 550 5.2.1 Gone"];
    let replies = each(&mut client, &TO, &message(&both, ""));
    assert_eq!(replies, ["452 4.2.2 Full", "550 5.2.1 Gone"]);
    assert_eq!(kept(&daemon), (0, 0));
    assert!(daemon.unfinished("a").is_empty() && daemon.unfinished("b").is_empty());
    daemon.stop();
}

#[test]
fn with_prdr_too() {
    let daemon = Setup::chain("Answers|Header|MailDir|Recorder").start();
    let mut client = daemon.client();
    client.expect("MAIL FROM:<a@example.com> PRDR", "250 ");
    TO.iter().for_each(|to| drop(client.expect(&format!("RCPT TO:<{to}>"), "250 ")));
    client.expect("DATA", "354 ");
    let message = message(&["0 reject 550 5.2.1 Gone", "1 defer 452 4.2.2 Full"], "");
    client.send(format!("{message}.\r\n"));
    for reply in ["353 ", "550 5.2.1 Gone", "452 4.2.2 Full", "550 5.2.1 Gone"] {
        client.expect_reply(reply);
    }
    client.expect("NOOP", "250 2.0.0 OK");
    assert_eq!((saved(&daemon), kept(&daemon)), (0, (0, 0)));
    daemon.stop();
}

/// A 5xx that one of them has would end the mail of the other, who is to be tried again.
#[test]
fn what_a_store_has_against_one_recipient_is_not_told_to_another() {
    let daemon = Setup::chain("Answers|Header|MailDir")
        .server("protocol", "lmtp")
        .backend("maildir_user_map", "small=-1:-1:10, broken=-1:-1, fine=-1:-1")
        .backend("maildir_over_quota", "reject")
        .start();
    let broken = daemon.maildir("broken").join("tmp");
    fs::remove_dir(&broken).expect("made at the start");
    fs::write(&broken, "").expect("our own directory");
    let mut client = lmtp(&daemon);
    let [small, unknown, broken, fine] =
        ["small", "unknown", "broken", "fine"].map(|user| format!("{user}@example.test"));
    for (to, deferred, expected) in [
        ([&broken, &small], &[][..], ["451 4.3.0 ", "552 5.2.2 "]),
        ([&small, &broken], &[], ["552 5.2.2 ", "451 4.3.0 "]),
        ([&fine, &unknown], &["0 defer 451 4.7.1 Greylisted"], ["451 4.7.1 ", "550 5.1.1 "]),
        ([&fine, &small], &["0 defer 451 4.7.1 Greylisted"], ["451 4.7.1 ", "552 5.2.2 "]),
        ([&small, &unknown], &[], ["552 5.2.2 ", "550 5.1.1 "]),
    ] {
        let to = to.map(String::as_str);
        let replies = each(&mut client, &to, &message(deferred, ""));
        let fit = replies.iter().zip(expected).all(|(reply, code)| reply.starts_with(code));
        assert!(fit, "{to:?}: expected {expected:?}, heard {replies:?}");
    }
    assert_eq!(daemon.mails("fine").len(), 0);
    daemon.stop();
}

/// A stage that finds out at its commit that a recipient cannot have the message.
#[test]
fn who_is_refused_at_the_commit_is_not_told_yes() {
    let daemon = Setup::chain("CommitRefuses|Header|MailDir").start();
    let reply = daemon.client().mail("a@example.com", &TO, &message(&[], ""));
    assert_eq!(reply, "452 4.2.2 Full after all");
    assert_eq!(kept(&daemon), (0, 0), "one reply for all");
    daemon.stop();

    let daemon = Setup::chain("CommitRefuses|Header|MailDir").server("protocol", "lmtp").start();
    let mut client = lmtp(&daemon);
    let replies = each(&mut client, &TO, &message(&[], ""));
    assert!(replies[0] == "452 4.2.2 Full after all" && replies[1].starts_with("250 "));
    assert_eq!(kept(&daemon), (0, 1));
    let replies = each(&mut client, &TO[..1], &message(&[], ""));
    assert_eq!(replies, ["452 4.2.2 Full after all"]);
    daemon.log().wait_for("message deferred");
    assert_eq!(daemon.log().with("nothing was prepared").len(), 0);
    daemon.stop();
}

/// Nobody is left for a store, and nothing is wrong.
#[test]
fn a_message_that_every_recipient_throws_away_is_no_trouble_of_the_store() {
    for protocol in ["smtp", "lmtp"] {
        let daemon =
            Setup::chain("Answers|Header|MailDir").server("protocol", json!(protocol)).start();
        let message = message(&["0 discard"], "");
        let reply = match protocol {
            "lmtp" => lmtp(&daemon).mail("a@example.com", &TO[..1], &message),
            _ => daemon.client().mail("a@example.com", &TO[..1], &message),
        };
        assert!(reply.starts_with("250 2.0.0 "), "{protocol}: {reply}");
        assert_eq!(kept(&daemon), (0, 0));
        daemon.stop();
    }
}
