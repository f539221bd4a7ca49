//! Whose mail is taken, from how many clients, and for how long they may be silent.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

#[test]
fn mail_for_other_hosts_is_refused() {
    let hosts = json!(["example.test", "*.wild.test", "[127.0.0.1]", "[IPv6:2001:db8::1]"]);
    let daemon = Setup::new().top("allowed_hosts", hosts).start();
    let mut client = daemon.client();
    client.expect("MAIL FROM:<a@example.com>", "250 2.1.0 ");
    for ours in [
        "test@example.test",
        "test@EXAMPLE.Test",
        "test@mail.wild.test",
        "test@[127.0.0.1]",
        "test@[IPv6:2001:db8::1]",
        "test@[IPv6:2001:0DB8:0::1]",
    ] {
        client.expect(&format!("RCPT TO:<{ours}>"), "250 2.1.5 ");
    }
    for theirs in [
        "test@example.com",
        "test@example.test.example.com",
        "test@xexample.test",
        "test@[127.0.0.2]",
        "test@[IPv6:2001:db8::2]",
        "\"test@example.test\"@example.com",
    ] {
        client.expect(&format!("RCPT TO:<{theirs}>"), "550 5.7.1 Relay access denied");
    }
    client.expect("DATA", "354 ");
    client.send(MESSAGE);
    client.expect(".", "250 2.0.0 ");
    assert_eq!(daemon.mails("test").len(), 1, "one mailbox, named several times, has one copy");
    daemon.stop();
}

#[test]
fn the_null_sender_and_postmaster_are_always_welcome() {
    let daemon = Setup::new().backend("validate_process", "MailDir").start();
    let mut client = daemon.client();
    let reply = client.mail("", &["Postmaster", "test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(daemon.mails("postmaster").len(), 1);
    let mail = &daemon.mails("test")[0];
    assert!(mail.contains("Return-Path: <>\n") || !mail.contains("Return-Path:"), "{mail}");
    client.expect("MAIL FROM:<a@example.com>", "250 ");
    client.expect("RCPT TO:<somebody>", "501 5.1.3 ");
    daemon.stop();
}

#[test]
fn one_client_too_many_is_turned_away_until_a_place_is_free() {
    let daemon = Setup::new().server("max_clients", 2).start();
    let mut first = daemon.client();
    let mut second = daemon.client();
    for _ in 0..3 {
        let mut third = Client::connect(daemon.address());
        third.expect_reply("421 ");
        third.expect_end();
    }
    first.expect("QUIT", "221 ");
    first.expect_end();
    let mut third = Client::admitted(daemon.address());
    third.expect("EHLO client.example", "250");
    for client in [&mut second, &mut third] {
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    }
    daemon.stop();
}

#[test]
fn one_address_does_not_take_the_places_of_others() {
    let daemon = Setup::new().server("max_clients_per_ip", 1).start();
    let (address, one, another) = (daemon.address(), [127, 0, 0, 1], [127, 0, 0, 2]);
    let mut first = Client::connect_from(one, address);
    first.expect_reply("220 ");
    let mut second = Client::connect_from(one, address);
    second.expect_reply("421 ");
    second.expect_end();
    Client::connect_from(another, address).expect_reply("220 ");
    first.expect("QUIT", "221 ");
    first.expect_end();
    Client::admitted(address);
    daemon.stop();
}

#[test]
fn one_network_does_not_come_too_often() {
    let daemon = Setup::new().server("max_connects_per_minute", 2).start();
    let (address, one, another) = (daemon.address(), [127, 0, 0, 1], [127, 0, 0, 2]);
    for expected in ["220 ", "220 ", "421 ", "421 "] {
        Client::connect_from(one, address).expect_reply(expected);
    }
    Client::connect_from(another, address).expect_reply("220 ");
    daemon.log().wait_for("was turned away: max_connects_per_minute of its network have come");
    daemon.stop();
}

#[test]
fn a_connection_has_so_many_messages() {
    let daemon = Setup::new().server("max_messages", 1).start();
    let mut client = daemon.client();
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    client.expect("MAIL FROM:<a@example.com>", "421 4.7.0 ");
    client.expect_end();
    daemon.stop();
}

#[test]
fn a_silent_client_hears_421() {
    let daemon = Setup::new().server("timeout", 2).start();
    let begin = Instant::now();
    let mut fresh = Client::connect(daemon.address());
    fresh.expect_reply("220 ");
    let mut introduced = daemon.client();
    let mut in_data = daemon.client();
    in_data.envelope("a@example.com", &["test@example.test"]);
    in_data.expect("DATA", "354 ");
    in_data.send("half a mail\r\n");
    let mut in_line = daemon.client();
    in_line.send("MAIL FR");
    for client in [&mut fresh, &mut introduced, &mut in_data, &mut in_line] {
        client.expect_reply("421 4.4.2 ");
        client.expect_end();
    }
    assert!(begin.elapsed() >= Duration::from_secs(2), "after {:?} already", begin.elapsed());
    assert_eq!(daemon.mails("test").len(), 0);
    daemon.stop();
}

#[test]
fn a_client_that_says_something_now_and_then_is_not_silent() {
    let daemon = Setup::new().server("timeout", 2).start();
    let mut client = daemon.client();
    let mut silent = daemon.client();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2500) {
        client.expect("NOOP", "250 ");
    }
    silent.expect_reply("421 4.4.2 ");
    client.expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn sizes_and_numbers_of_recipients_and_errors() {
    let daemon = Setup::new()
        .server("max_size", 1000)
        .server("max_rcpt", 2)
        .server("max_unrecognised", 3)
        .start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    let extensions = client.ask("EHLO client.example");
    assert!(extensions.contains("\n250-SIZE 1000\n"), "{extensions}");
    client.expect("MAIL FROM:<a@example.com> SIZE=1001", "552 5.3.4 ");
    client.expect("MAIL FROM:<a@example.com> SIZE=1000", "250 ");
    client.expect("RCPT TO:<a@example.test>", "250 ");
    client.expect("RCPT TO:<b@example.test>", "250 ");
    client.expect("RCPT TO:<c@example.test>", "452 4.5.3 ");
    client.expect("DATA", "354 ");
    client.send("x".repeat(998) + "\r\ny\r\n");
    client.expect(".", "552 5.3.4 ");
    assert_eq!(daemon.mails("a").len(), 0);
    client.mail("a@example.com", &["a@example.test"], &("x".repeat(998) + "\r\n"));
    assert_eq!(daemon.mails("a").len(), 1, "exactly at the limit");
    client.expect("JUNK", "500 5.5.");
    client.expect("JUNK", "500 5.5.");
    client.expect("JUNK", "421 ");
    client.expect_end();
    daemon.stop();
}

#[test]
fn who_talks_before_the_greeting_is_refused() {
    let daemon = Setup::new().server("greet_delay", "30s").start();
    let mut client = Client::connect(daemon.address());
    client.send("EHLO client.example\r\n");
    client.expect_reply("554 ");
    daemon.stop();
}
