//! Clients that are never silent and never done: a place is held for a bounded time, whatever drips.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, Control, Daemon, PATIENCE, Setup};

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
    // The shortest reply, the longest without anybody being asked, and the longest.
    let mut cut = 0;
    for question in ["NOOP\r\n", "HELP\r\n", "EHLO x\r\n"] {
        let deaf: Vec<TcpStream> = (0..8).map(|_| never_reads(&daemon, question)).collect();
        let grown = daemon.usage().anonymous().saturating_sub(before);
        assert!(grown < 4096, "{grown} KiB more for {} who do not read {question:?}", deaf.len());
        cut += deaf.len();
        daemon.log().wait_for_so_many(cut, "reason=TimedOut");
    }
    daemon.client().expect("QUIT", "221 ");
    daemon.stop();
}

/// Asks as long as the daemon reads. It stops reading when its replies find no room, and then nothing more can be sent.
#[track_caller]
fn never_reads(daemon: &Daemon, question: &str) -> TcpStream {
    let mut deaf = TcpStream::connect(daemon.address()).expect("the server listens");
    deaf.set_write_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    deaf.write_all(b"EHLO client.example\r\n").expect("the server reads");
    let questions = question.repeat(10_000);
    let mut sent = 0_u64;
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
    let kept = replies_kept(&deaf);
    assert!(kept > 0 && kept < 512 << 10, "the kernel keeps {kept} bytes of replies for it");
    deaf
}

/// Bytes that the kernel keeps for this client on the daemon's side: its queue to send, and what has arrived at ours.
#[track_caller]
fn replies_kept(client: &TcpStream) -> u64 {
    let ours = client.local_addr().expect("connected").port();
    let theirs = client.peer_addr().expect("connected").port();
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let port = |field: &str| u16::from_str_radix(field.rsplit(':').next()?, 16).ok();
    let queue = |line: &str, from, to, index: usize| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = port(fields[1]) == Some(from) && port(fields[2]) == Some(to);
        is_it.then(|| u64::from_str_radix(fields[4].split(':').nth(index)?, 16).ok()).flatten()
    };
    let lines = || table.lines().skip(1);
    let to_send = lines().find_map(|line| queue(line, theirs, ours, 0)).expect("it is open");
    let arrived = lines().find_map(|line| queue(line, ours, theirs, 1)).expect("it is open");
    to_send + arrived
}

#[test]
fn clients_that_never_pause_leave_others_their_turn() {
    const FLOODS: usize = 16;
    let daemon = Setup::without_plugins().start();
    let mut others: Vec<Client> = (0..8).map(|_| daemon.client()).collect();
    let floods: Vec<TcpStream> = (0..FLOODS)
        .map(|_| TcpStream::connect(daemon.address()).expect("the server listens"))
        .collect();
    let mut threads = Vec::new();
    for flood in &floods {
        let mut wire = flood.try_clone().expect("a descriptor");
        threads.push(thread::spawn(move || {
            let questions = "NOOP\r\n".repeat(50_000);
            while wire.write_all(questions.as_bytes()).is_ok() {}
        }));
        let mut replies = flood.try_clone().expect("a descriptor");
        threads.push(thread::spawn(move || {
            let _ = io::copy(&mut replies, &mut io::sink());
        }));
    }
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        for other in &mut others {
            let begin = Instant::now();
            other.expect("NOOP", "250 ");
            longest = longest.max(begin.elapsed());
        }
    }
    for flood in &floods {
        // It may have been closed by the other side.
        let _ = flood.shutdown(Shutdown::Both);
    }
    threads.into_iter().for_each(|thread| thread.join().expect("a client"));
    println!("{longest:?} for a question beside {FLOODS} floods of them");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
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

#[test]
fn the_time_before_the_greeting_is_not_the_clients() {
    let daemon = Setup::without_plugins().server("greet_delay", "2s").server("timeout", 1).start();
    let mut client = Client::connect(daemon.address());
    client.expect_reply("220 ");
    assert!(!client.hears_within(Duration::from_millis(500)), "half of its time is left");
    client.expect("EHLO client.example", "250");
    client.expect("QUIT", "221 ");
    daemon.stop();
}

/// Half a minute is the time after which the rate of a body counts.
#[test]
fn neither_a_body_that_is_skipped_nor_our_own_time_is_too_slow() {
    let control = Control::new();
    let daemon = Setup::chain("HoldsUntilTold|Header|MailDir")
        .control(&control)
        .backend("gw_save_timeout", "60s")
        .server("timeout", 120)
        .start();
    let mut refused = daemon.client();
    refused.envelope("a@example.com", &["test@example.test"]);
    refused.expect("DATA", "354 ");
    refused.send("Subject: a\nb\r\n\r\n");
    let mut pipelined = daemon.client();
    pipelined.envelope("a@example.com", &["test@example.test"]);
    pipelined.expect("DATA", "354 ");
    pipelined.send(format!(
        "{MESSAGE}.\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<test@example.test>\r\nDATA\r\n"
    ));
    let waiting = control.waiting_in("held");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(34) {
        refused.send("x".repeat(998) + "\r\n");
        assert!(!refused.hears_within(Duration::from_secs(1)), "{}", refused.reply());
    }
    refused.expect(".", "550 5.5.2 ");
    drop(waiting);
    for reply in ["250 2.0.0 ", "250 2.1.0 ", "250 2.1.5 ", "354 "] {
        pipelined.expect_reply(reply);
    }
    pipelined.send(format!("{MESSAGE}.\r\n"));
    drop(control.waiting_in("held"));
    pipelined.expect_reply("250 2.0.0 ");
    assert_eq!(daemon.mails("test").len(), 2);
    daemon.stop();
}

/// Who hears late that a message is kept may have given up and send it again.
#[test]
fn the_word_on_a_message_does_not_wait_for_the_next_one() {
    let control = Control::new();
    let daemon = Setup::chain("HoldsUntilTold|Header|MailDir").control(&control).start();
    let mut client = daemon.client();
    let mail = format!(
        "MAIL FROM:<a@example.com>\r\nRCPT TO:<test@example.test>\r\nBDAT {} LAST\r\n{MESSAGE}",
        MESSAGE.len()
    );
    client.send(mail.repeat(3));
    let replies = ["250 2.1.0 ", "250 2.1.5 ", "250 2.0.0 OK: queued as "];
    drop(control.waiting_in("held"));
    for kept in 1..3 {
        let waiting = control.waiting_in("held");
        for reply in replies {
            client.expect_reply(reply);
        }
        assert_eq!(daemon.mails("test").len(), kept);
        drop(waiting);
    }
    for reply in replies {
        client.expect_reply(reply);
    }
    client.expect("QUIT", "221 ");
    daemon.stop();
}
