//! SMTP inside TLS: what is forgotten, what is refused, and mails that arrive whole.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::client::{TlsClient, config};
use super::{BOTH, Mode, log_lines, pki, setup, tls};
use crate::support::{Client, Control, PATIENCE, Process, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

#[test]
fn commands_behind_starttls_are_never_carried_out() {
    let (_pki, pair) = pki();
    let daemon = setup(tls(Mode::StartTls, &pair, json!({}))).start();
    for behind in ["NOOP\r\n", "MAIL FROM:<a@example.com>\r\n", "N", "\x16\x03\x01"] {
        let mut client = daemon.client();
        client.send(format!("STARTTLS\r\n{behind}"));
        client.expect_reply("554 5.5.1 ");
        client.expect_end();
    }
    // In a packet of their own they are no ClientHello.
    let mut client = daemon.client();
    client.expect("STARTTLS", "220 ");
    client.send("EHLO injected.example\r\nMAIL FROM:<a@example.com>\r\n");
    daemon.log().wait_for(" closed reason=Handshake error=");
    drop(client);
    assert_eq!(log_lines(daemon, "injected"), [""; 0]);
}

#[test]
fn plain_text_behind_starttls_is_answered_by_an_alert_at_most() {
    let (_pki, pair) = pki();
    let daemon = setup(tls(Mode::StartTls, &pair, json!({}))).start();
    let mut socket = TcpStream::connect(daemon.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = [0; 512];
    let mut heard = |socket: &mut TcpStream| {
        let read = socket.read(&mut said).unwrap();
        String::from_utf8_lossy(&said[..read]).into_owned()
    };
    assert!(heard(&mut socket).starts_with("220 "));
    socket.write_all(b"STARTTLS\r\n").unwrap();
    assert!(heard(&mut socket).starts_with("220 2.0.0 "));
    socket.write_all(b"NOOP\r\nNOOP\r\n").unwrap();
    let mut rest = Vec::new();
    // Cut off or ended, as the bytes that were left unread will have it.
    let _ = socket.read_to_end(&mut rest);
    assert!(rest.is_empty() || rest[0] == 0x15, "an alert or nothing: {}", rest.escape_ascii());
    daemon.stop();
}

/// As `last_words` has it in the clear: the reply and `close_notify`, whatever of the client's is unread.
#[test]
fn the_last_reply_arrives_at_who_has_sent_far_more_than_was_read() {
    let (pki, pair) = pki();
    let config = config(&pki);
    for mode in BOTH {
        let daemon = setup(tls(mode, &pair, json!({}))).start();
        let mut client = TlsClient::connect(daemon.address(), mode, &config);
        client.send(&"BAD\r\n".repeat(50_000));
        let mut said = String::new();
        client.stream().read_to_string(&mut said).expect("the announced end");
        assert!(said.ends_with("\r\n421 4.7.0 Too many errors, closing connection\r\n"), "{said}");
        daemon.stop();
    }
}

#[test]
fn all_that_was_said_before_is_forgotten() {
    let (pki, pair) = pki();
    let config = config(&pki);
    let daemon = setup(tls(Mode::StartTls, &pair, json!({}))).start();
    let mut plain = daemon.client();
    assert!(plain.ask("EHLO client.example").contains("\n250-STARTTLS"));
    plain.expect("STARTTLS now", "501 ");
    let mut client = TlsClient::connect(daemon.address(), Mode::StartTls, &config);
    client.expect("MAIL FROM:<a@example.com>", "503 ");
    let extensions = client.expect("EHLO client.example", "250");
    assert!(!extensions.contains("STARTTLS"), "{extensions}");
    client.expect("STARTTLS", "503 5.5.1 ");
    client.expect("MAIL FROM:<a@example.com>", "250 ");
    client.expect("STARTTLS", "503 5.5.1 ");
    client.expect("RCPT TO:<test@example.test>", "250 ");
    client.expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn starttls_is_not_there_where_it_is_of_no_use() {
    let (pki, pair) = pki();
    let daemon = setup(tls(Mode::Always, &pair, json!({}))).start();
    let mut client = TlsClient::connect(daemon.address(), Mode::Always, &config(&pki));
    let extensions = client.expect("EHLO client.example", "250");
    assert!(!extensions.contains("STARTTLS"), "{extensions}");
    client.expect("STARTTLS", "50");
    client.expect("NOOP", "250 ");
    daemon.stop();
    let daemon = Setup::without_plugins().start();
    let mut client = daemon.client();
    assert!(!client.ask("EHLO client.example").contains("STARTTLS"));
    client.expect("STARTTLS", "502 ");
    daemon.stop();
}

/// RFC 8689: under TLS, where a processor honours it, unless it is switched off.
#[test]
fn requiretls_is_offered_and_handed_on() {
    let (pki, pair) = pki();
    let config = config(&pki);
    let keys = tls(Mode::StartTls, &pair, json!({}));
    let honouring = || Setup::chain("Honours|Header|MailDir").server("tls", keys.clone());
    let daemon = honouring().start();
    let mut client = TlsClient::connect(daemon.address(), Mode::StartTls, &config);
    assert!(client.expect("EHLO client.example", "250").contains("REQUIRETLS"));
    client.expect("MAIL FROM:<a@example.com> REQUIRETLS", "250 ");
    client.expect("RCPT TO:<test@example.test>", "250 ");
    client.expect("DATA", "354 ");
    client.send(MESSAGE);
    client.expect(".", "250 2.0.0 ");
    daemon.log().wait_for(r#"test@example.test asked [] of [("REQUIRETLS", None)]"#);
    daemon.stop();
    let daemon = honouring().server("extensions", json!({ "requiretls": false })).start();
    let mut client = TlsClient::connect(daemon.address(), Mode::StartTls, &config);
    assert!(!client.expect("EHLO client.example", "250").contains("REQUIRETLS"));
    client.expect("MAIL FROM:<a@example.com> REQUIRETLS", "555 5.5.4 ");
    daemon.stop();
}

#[test]
fn mail_can_be_limited_to_tls() {
    let (pki, pair) = pki();
    let daemon = setup(tls(Mode::StartTls, &pair, json!({ "tls_required": true }))).start();
    let mut plain = Client::connect(daemon.address());
    plain.expect_reply("220 ");
    plain.expect("EHLO client.example", "250");
    plain.expect("NOOP", "250 ");
    for command in ["MAIL FROM:<a@example.com>", "RCPT TO:<test@example.test>", "DATA", "VRFY a"] {
        plain.expect(command, "530 5.7.0 ");
    }
    plain.expect("QUIT", "221 ");
    let mut client = TlsClient::connect(daemon.address(), Mode::StartTls, &config(&pki));
    client.expect("EHLO client.example", "250");
    client.expect("MAIL FROM:<a@example.com>", "250 ");
    client.expect("RCPT TO:<test@example.test>", "250 ");
    client.expect("DATA", "354 ");
    client.send(MESSAGE);
    client.expect(".", "250 2.0.0 ");
    daemon.stop();
}

#[test]
fn the_end_of_tls_in_mid_body_is_the_end_of_the_connection() {
    let (pki, pair) = pki();
    let config = config(&pki);
    let daemon = Setup::new().server("tls", tls(Mode::StartTls, &pair, json!({}))).start();
    for announced in [true, false] {
        let mut client = TlsClient::connect(daemon.address(), Mode::StartTls, &config);
        client.expect("EHLO client.example", "250");
        client.expect("MAIL FROM:<a@example.com>", "250 ");
        client.expect("RCPT TO:<test@example.test>", "250 ");
        client.expect("DATA", "354 ");
        client.send("Subject: half\r\n\r\nhalf a mail\r\n");
        let stream = client.stream();
        if announced {
            stream.conn.send_close_notify();
            stream.conn.complete_io(&mut stream.sock).unwrap();
            // What follows in the clear is not looked at (CVE-2026-45185).
            let _ = stream.sock.write_all(b".\r\nQUIT\r\n");
        }
        let _ = stream.sock.shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.sock.read_to_end(&mut rest);
        assert!(!String::from_utf8_lossy(&rest).contains("250"), "{}", rest.escape_ascii());
    }
    assert_eq!(daemon.mails("test"), [""; 0]);
    daemon.stop();
}

#[test]
fn a_whole_conversation_in_one_write_is_answered_in_order() {
    let (pki, pair) = pki();
    let config = config(&pki);
    for mode in BOTH {
        let daemon = Setup::new().server("tls", tls(mode, &pair, json!({}))).start();
        let mut client = TlsClient::connect(daemon.address(), mode, &config);
        let mail = "MAIL FROM:<a@example.com>\r\nRCPT TO:<test@example.test>\r\nDATA\r\n";
        client.send(&format!(
            "EHLO client.example\r\n{mail}{MESSAGE}.\r\n{mail}{MESSAGE}.\r\nQUIT\r\n"
        ));
        let codes: Vec<_> = (0..10).map(|_| client.reply()[..3].to_owned()).collect();
        let expected = ["250", "250", "250", "354", "250", "250", "250", "354", "250", "221"];
        assert_eq!(codes, expected);
        assert_eq!(daemon.mails("test").len(), 2);
        daemon.stop();
    }
}

/// As in the clear (`pace.rs`), and what was written early is not written again.
#[test]
fn the_word_on_a_message_does_not_wait_for_the_next_one() {
    let (pki, pair) = pki();
    let control = Control::new();
    let setup = Setup::chain("HoldsUntilTold|Header|MailDir").control(&control);
    let daemon = setup.server("tls", tls(Mode::Always, &pair, json!({}))).start();
    let mut client = TlsClient::connect(daemon.address(), Mode::Always, &config(&pki));
    let mail = format!(
        "MAIL FROM:<a@example.com>\r\nRCPT TO:<test@example.test>\r\nBDAT {} LAST\r\n{MESSAGE}",
        MESSAGE.len()
    );
    client.send(&format!("EHLO client.example\r\n{mail}{mail}QUIT\r\n"));
    drop(control.waiting_in("held"));
    let waiting = control.waiting_in("held");
    let mut codes = |replies: usize| -> Vec<_> {
        (0..replies).map(|_| client.reply()[..3].to_owned()).collect()
    };
    assert_eq!(codes(4), ["250"; 4]);
    drop(waiting);
    assert_eq!(codes(4), ["250", "250", "250", "221"]);
    daemon.stop();
}

#[test]
fn a_client_that_does_not_read_its_replies_gets_them_all_later() {
    let (pki, pair) = pki();
    let daemon = setup(tls(Mode::Always, &pair, json!({}))).start();
    let mut client = TlsClient::connect(daemon.address(), Mode::Always, &config(&pki));
    let StreamOwned { conn, sock } = client.stream();
    // More replies than both sockets hold: the server cannot go on, and stops reading.
    sock.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let commands = "HELP\r\n".repeat(100);
    let mut expected = 0;
    while write(conn, sock) {
        assert_eq!(conn.writer().write(commands.as_bytes()).unwrap(), commands.len());
        expected += 100;
    }
    sock.set_nonblocking(true).unwrap();
    assert_eq!(conn.writer().write(b"QUIT\r\n").unwrap(), 6);
    let (begin, mut text) = (Instant::now(), Vec::new());
    loop {
        assert!(begin.elapsed() < PATIENCE, "{} bytes of {expected} replies", text.len());
        write(conn, sock);
        if let Err(error) = conn.read_tls(sock) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
        conn.process_new_packets().unwrap();
        match conn.reader().read_to_end(&mut text) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("\r\n214 ").count(), expected);
    assert_eq!(text.matches("\r\n221 ").count(), 1);
    daemon.stop();
}

/// Writes what the socket takes; whether that was all.
fn write(session: &mut ClientConnection, socket: &mut TcpStream) -> bool {
    while session.wants_write() {
        if let Err(error) = session.write_tls(socket) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            return false;
        }
    }
    true
}

#[test]
fn keys_may_change_under_way() {
    let (pki, pair) = pki();
    let daemon = setup(tls(Mode::Always, &pair, json!({}))).start();
    let mut client = TlsClient::connect(daemon.address(), Mode::Always, &config(&pki));
    for _ in 0..3 {
        client.stream().conn.refresh_traffic_keys().unwrap();
        client.expect("NOOP", "250 ");
    }
    client.expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn smtplib_delivers_every_sample_over_tls() {
    let (pki, pair) = pki();
    for (mode, line_ending) in BOTH.into_iter().zip(["lf", "crlf"]) {
        let daemon = Setup::new()
            .server("tls", tls(mode, &pair, json!({})))
            .server("max_size", 30_000_000)
            .backend("maildir_line_ending", line_ending)
            .top("log_level", "info")
            .start();
        let ca = pki.ca();
        let flag = if mode == Mode::StartTls { "starttls" } else { "always" };
        let mut arguments = vec!["--line-ending", line_ending];
        arguments.extend(["--tls", flag, "--ca", ca.to_str().unwrap()]);
        let mut script = Process::spawn(daemon.script("tls_client.py", &arguments));
        let code = script.exit_code();
        assert_eq!(code, Some(0), "{}", script.stdout.with("FAIL").join("\n"));
        assert_eq!(script.stdout.with(" 0 failed").len(), 1);
        let mails = daemon.mails("test");
        let head = |mail: &String| mail.lines().take(8).collect::<Vec<_>>().join("\n");
        let words = ["Received:", " ESMTPS", "TLSv1.3", "TLS_AES_128_GCM_SHA256"];
        assert!(mails.len() > 60, "{}", mails.len());
        for head in mails.iter().map(head) {
            assert!(words.iter().all(|word| head.contains(word)), "{head}");
        }
        daemon.stop();
    }
}
