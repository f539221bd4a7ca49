//! When the daemon closes first, its last reply arrives, also at a client that has sent far more than was read.
//!
//! A socket that is closed with bytes unread is reset, and a reset may take away what the client has not read yet. So these
//! tests want the end of the stream behind the reply and not an error.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use serde_json::json;

use crate::support::{Client, PATIENCE, Setup};

/// Commands that no server knows: more than it reads at once, and more than it bears.
fn flood() -> Vec<u8> {
    b"BAD\r\n".repeat(100_000)
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Sends all of it before it reads anything; what the server has said until the end.
fn said(socket: &mut (impl Read + Write), bytes: &[u8]) -> String {
    socket.write_all(bytes).expect("the server reads, if only to throw it away");
    let mut said = String::new();
    socket.read_to_string(&mut said).expect("the end of the stream");
    said
}

#[test]
fn who_makes_too_many_errors_hears_so() {
    let setup = Setup::without_plugins();
    let path = setup.dir().join("smtp.sock");
    let unix =
        json!({ "is_enabled": true, "listen_interface": format!("unix:{}", path.display()) });
    let daemon = setup.another_server(unix).start();
    let mut unix = UnixStream::connect(path).expect("the server listens");
    unix.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    unix.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    for said in [said(&mut connect(daemon.address()), &flood()), said(&mut unix, &flood())] {
        assert!(said.ends_with("\r\n421 4.7.0 Too many errors, closing connection\r\n"), "{said}");
        assert_eq!(said.matches("500 5.5.1 ").count(), 4);
    }
    daemon.stop();
}

#[test]
fn who_speaks_first_hears_that_this_is_wrong() {
    let daemon = Setup::without_plugins().server("greet_delay", "30s").start();
    let said = said(&mut connect(daemon.address()), &flood());
    assert_eq!(said, "554 You must wait for the greeting\r\n");
    daemon.stop();
}

#[test]
fn who_is_turned_away_hears_why() {
    let daemon = Setup::without_plugins().server("max_clients", 1).start();
    let occupant = daemon.client();
    let said = said(&mut connect(daemon.address()), &flood());
    assert_eq!(said, "421 Too many connections, try again later\r\n");
    drop(occupant);
    daemon.stop();
}

/// Nobody is waited for who does not end, or does not stop sending.
#[test]
fn the_place_is_free_soon_whatever_the_client_does() {
    let daemon = Setup::without_plugins().server("max_clients", 1).start();
    let mut silent = connect(daemon.address());
    let heard = said(&mut silent, &flood());
    assert!(heard.contains("421 4.7.0 "), "{heard}");
    let began = Instant::now();
    let mut next = Client::admitted(daemon.address());
    next.send(b"BAD\r\n".repeat(5));
    for _ in 0..4 {
        next.expect_reply("500 ");
    }
    next.expect_reply("421 ");
    // Whoever goes on sending is cut off by a reset.
    let junk = [b'x'; 1 << 16];
    let mut endless = connect_when_free(daemon.address());
    let error = loop {
        match endless.write_all(&junk) {
            Ok(()) => assert!(began.elapsed() < PATIENCE, "it is listened to for ever"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    daemon.stop();
}

/// A connection that has been greeted.
fn connect_when_free(address: SocketAddr) -> TcpStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut socket = connect(address);
        let mut greeting = [0; 4];
        socket.read_exact(&mut greeting).expect("a greeting");
        if &greeting == b"220 " {
            return socket;
        }
        assert!(Instant::now() < deadline, "no place for {PATIENCE:?}");
    }
}
