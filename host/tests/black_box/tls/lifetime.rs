//! Handshakes that never come to an end, and daemons that do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::client::{TlsClient, config};
use super::{Mode, log_lines, pki, setup, tls};
use crate::support::{Client, PATIENCE};

/// The beginning of a ClientHello: its record has 512 bytes.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

#[track_caller]
fn expect_closed(mut socket: &TcpStream) {
    let mut rest = Vec::new();
    // Ended or reset.
    match socket.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn half_a_handshake_holds_its_place_for_a_while_only() {
    let (pki, pair) = pki();
    let daemon = setup(tls(Mode::Always, &pair, json!({})))
        .server("timeout", 1)
        .server("max_clients", 3)
        .start();
    let begin = Instant::now();
    let sockets: Vec<_> = [b"".as_slice(), b"\x16", HALF_A_HELLO]
        .into_iter()
        .map(|bytes| {
            let mut socket = TcpStream::connect(daemon.address()).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.write_all(bytes).unwrap();
            socket
        })
        .collect();
    sockets.iter().for_each(expect_closed);
    assert!(begin.elapsed() >= Duration::from_secs(1), "after {:?} already", begin.elapsed());
    // All places are free again.
    daemon.log().wait_for("closed reason=Handshake");
    let clients: Vec<_> =
        (0..3).map(|_| TlsClient::connect(daemon.address(), Mode::Always, &config(&pki))).collect();
    drop(clients);
    let ends = log_lines(daemon, "closed reason=Handshake error=\"the client took too long");
    assert_eq!(ends.len(), 3);
}

#[test]
fn half_a_handshake_behind_starttls_ends_the_same_way() {
    let (_pki, pair) = pki();
    let daemon = setup(tls(Mode::StartTls, &pair, json!({}))).server("timeout", 1).start();
    let mut client = daemon.client();
    client.expect("STARTTLS", "220 ");
    client.send(HALF_A_HELLO);
    client.expect_end();
    daemon.log().wait_for("closed reason=Handshake error=\"the client took too long");
    daemon.stop();
}

#[test]
fn one_client_too_many_is_not_spoken_to_in_the_clear() {
    let (pki, pair) = pki();
    let daemon = setup(tls(Mode::Always, &pair, json!({}))).server("max_clients", 1).start();
    let mut first = TlsClient::connect(daemon.address(), Mode::Always, &config(&pki));
    Client::connect(daemon.address()).expect_end();
    first.expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn silence_inside_tls_ends_in_421_inside_tls() {
    let (pki, pair) = pki();
    let daemon = setup(tls(Mode::StartTls, &pair, json!({}))).server("timeout", 1).start();
    let mut client = TlsClient::connect(daemon.address(), Mode::StartTls, &config(&pki));
    let reply = client.reply();
    assert!(reply.starts_with("421 4.4.2 "), "{reply}");
    let mut rest = Vec::new();
    // close_notify has come: rustls would call a mere end of the socket an error.
    client.stream().read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    daemon.stop();
}

#[test]
fn the_end_of_the_daemon_is_told_inside_tls_and_waits_for_no_handshake() {
    let (pki, pair) = pki();
    let mut daemon = setup(tls(Mode::Always, &pair, json!({}))).start();
    let mut client = TlsClient::connect(daemon.address(), Mode::Always, &config(&pki));
    let mut handshaking = TcpStream::connect(daemon.address()).unwrap();
    handshaking.set_read_timeout(Some(PATIENCE)).unwrap();
    handshaking.write_all(HALF_A_HELLO).unwrap();
    // It is accepted when a later one has been.
    TlsClient::connect(daemon.address(), Mode::Always, &config(&pki)).expect("NOOP", "250 ");
    daemon.signal(Signal::SIGTERM);
    let reply = client.reply();
    assert!(reply.starts_with("421 "), "{reply}");
    expect_closed(&handshaking);
    assert_eq!(daemon.exit_code(), Some(0));
}
