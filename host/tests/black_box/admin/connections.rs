//! Clients of the admin interface that say nothing, or too much: they take neither mail's descriptors nor each other's places.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use crate::descriptors::leave_descriptors;
use crate::support::{Client, Daemon, PATIENCE, Setup};

/// Connections that are served at a time.
const PLACES: usize = 64;

/// A daemon with an admin interface on loopback, whose port is the system's choice.
#[track_caller]
fn on_loopback() -> (Daemon, SocketAddr) {
    let daemon = Setup::without_plugins().top("admin_listen", "127.0.0.1:0").start();
    let line = daemon.log().wait_for("admin interface on ");
    let address = line.rsplit("admin interface on ").next().expect("an address").trim();
    let address = address.parse().expect("an address");
    (daemon, address)
}

#[track_caller]
fn connect(address: SocketAddr) -> TcpStream {
    let wire = TcpStream::connect(address).expect("it listens");
    wire.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    wire
}

#[test]
fn silent_ones_leave_mail_its_descriptors_and_make_room_after_a_while() {
    let (daemon, address) = on_loopback();
    leave_descriptors(&daemon, PLACES + 20);
    let descriptors =
        || fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("our own process").count();
    let (begin, before) = (Instant::now(), descriptors());
    let mut silent: Vec<_> = (0..2 * PLACES).map(|_| connect(address)).collect();
    while descriptors() < before + PLACES {
        assert!(begin.elapsed() < PATIENCE, "{} descriptors more", descriptors() - before);
    }
    let mut clients: Vec<_> = (0..10).map(|_| Client::introduced(daemon.address())).collect();
    assert!(descriptors() <= before + PLACES + clients.len());
    assert_eq!(daemon.log().with("cannot accept").len(), 0);
    for client in &mut clients {
        client.expect("QUIT", "221 ");
    }
    // Half a request is as good as none.
    silent.truncate(PLACES);
    for wire in silent.iter_mut().take(PLACES / 2) {
        wire.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").expect("it listens");
    }
    let mut asks = connect(address);
    asks.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    asks.read_to_string(&mut answer).expect("an answer, when the silent ones have been closed");
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("ok\n"), "{answer}");
    daemon.stop();
}

#[test]
fn a_header_without_an_end_is_refused() {
    let (daemon, address) = on_loopback();
    let mut wire = connect(address);
    wire.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ").expect("it listens");
    // More than may be, and less than the sockets hold, so that nobody waits for us to read.
    wire.write_all(&[b'a'; 40_000]).expect("the system takes it");
    let mut answer = [0; 12];
    wire.read_exact(&mut answer).expect("an answer before the end of the header");
    assert_eq!(&answer, b"HTTP/1.1 431");
    daemon.stop();
}
