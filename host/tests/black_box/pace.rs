//! Clients that are never silent and never done: a place is held for a bounded time, whatever drips.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Client, PATIENCE, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// Between two bytes of a client that drips.
const DRIP: Duration = Duration::from_millis(100);

/// Sends these bytes one by one, far apart, until a reply begins to come.
#[track_caller]
fn drip_until_heard(client: &mut Client, mut bytes: impl Iterator<Item = u8>) {
    let begin = Instant::now();
    loop {
        client.send([bytes.next().expect("bytes without end")]);
        if client.hears_within(DRIP) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "it may drip for ever");
    }
}

#[test]
fn a_command_that_drips_is_out_of_time_although_bytes_keep_coming() {
    let daemon = Setup::without_plugins().server("timeout", 1).start();
    let mut fresh = Client::connect(daemon.address());
    fresh.expect_reply("220 ");
    let mut introduced = daemon.client();
    for client in [&mut fresh, &mut introduced] {
        let begin = Instant::now();
        drip_until_heard(client, b"MAIL FROM:<".iter().copied().chain(std::iter::repeat(b'a')));
        client.expect_reply("421 4.4.2 ");
        client.expect_end();
        // Neither of them has been looked at before the first drip, so the second is late already.
        assert!(begin.elapsed() < Duration::from_secs(10), "only after {:?}", begin.elapsed());
    }
    daemon.stop();
}

#[test]
fn a_client_that_never_reads_is_cut_and_costs_no_memory() {
    let daemon = Setup::without_plugins().server("timeout", 1).start();
    drop(daemon.client());
    let before = daemon.usage().anonymous();
    let mut deaf = TcpStream::connect(daemon.address()).expect("the server listens");
    deaf.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    deaf.write_all(b"EHLO client.example\r\n").expect("the server reads");
    let questions = "NOOP\r\n".repeat(10_000);
    let mut sent = 0_u64;
    // The daemon stops reading when its replies find no room, and then nothing more can be sent.
    loop {
        match deaf.write(questions.as_bytes()) {
            Ok(written) => sent += written as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                break;
            }
        }
        assert!(sent < 1 << 30, "the daemon has taken {sent} bytes from who does not read");
    }
    daemon.log().wait_for("reason=TimedOut");
    let grown = daemon.usage().anonymous().saturating_sub(before);
    assert!(grown < 2048, "{grown} KiB more after {sent} bytes");
    daemon.client().expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn a_session_ends_at_a_command_boundary_when_it_has_lasted_long_enough() {
    let daemon = Setup::new().server("session_timeout", 3).server("timeout", 30).start();
    let mut busy = daemon.client();
    let mut in_message = daemon.client();
    in_message.envelope("a@example.com", &["test@example.test"]);
    in_message.expect("DATA", "354 ");
    let begin = Instant::now();
    loop {
        let reply = busy.ask("NOOP");
        if reply.starts_with("421 ") {
            break;
        }
        assert!(reply.starts_with("250 "), "{reply}");
        assert!(begin.elapsed() < Duration::from_secs(20), "a session may last for ever");
        // A client that pauses, as all do; the end of the session may come meanwhile.
        if busy.hears_within(DRIP) {
            busy.expect_reply("421 4.4.2 ");
            break;
        }
    }
    busy.expect_end();
    assert!(begin.elapsed() < Duration::from_secs(6), "only after {:?}", begin.elapsed());
    // The message in hand is taken all the same.
    in_message.send(MESSAGE);
    in_message.expect(".", "250 2.0.0 ");
    in_message.expect_reply("421 ");
    in_message.expect_end();
    assert_eq!(daemon.mails("test").len(), 1);
    daemon.stop();
}

#[test]
fn a_session_ends_for_who_never_pauses_too() {
    let daemon = Setup::without_plugins().server("session_timeout", 2).server("timeout", 2).start();
    let mut client = TcpStream::connect(daemon.address()).expect("the server listens");
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let begin = Instant::now();
    // Always a group more on its way than has been answered: the daemon never has to wait for input.
    let group = "NOOP\r\n".repeat(1000);
    let mut replies = [0; 1 << 15];
    // It closes with commands of ours unread, so its last words may be lost.
    while client.write_all(group.as_bytes()).is_ok()
        && client.read(&mut replies).is_ok_and(|read| read > 0)
    {
        assert!(begin.elapsed() < Duration::from_secs(20), "a session may last for ever");
    }
    daemon.log().wait_for("reason=TimedOut");
    daemon.stop();
}
