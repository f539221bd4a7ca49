//! Handshakes in the metrics.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use super::client::{TlsClient, config};
use super::{Mode, pki, setup, tls};
use crate::admin::{await_metric, with_admin};

#[test]
fn handshakes_are_counted_by_version_and_failures_by_cause() {
    for mode in super::BOTH {
        let (pki, pair) = pki();
        let daemon = with_admin(setup(tls(mode, &pair, json!({}))).server("timeout", 1));
        let socket = daemon.dir().join("admin.sock");
        let mut client = TlsClient::connect(daemon.address(), mode, &config(&pki));
        client.expect("QUIT", "221 ");
        await_metric(&socket, "tls_handshakes_total", r#"version="TLSv1.3""#, 1.0);
        let begin = || {
            if mode == Mode::Always {
                return TcpStream::connect(daemon.address()).expect("it listens");
            }
            let mut stream = TcpStream::connect(daemon.address()).expect("it listens");
            stream.write_all(b"EHLO client.example\r\n").expect("it reads");
            read_until(&mut stream, "STARTTLS");
            stream.write_all(b"STARTTLS\r\n").expect("it reads");
            read_until(&mut stream, "220 2.0.0");
            stream
        };
        let _silent = begin();
        let mut clumsy = begin();
        clumsy.write_all(b"HELO is no ClientHello, and never will be\r\n").expect("it reads");
        await_metric(&socket, "tls_handshakes_failed_total", r#"cause="timeout""#, 1.0);
        await_metric(&socket, "tls_handshakes_failed_total", r#"cause="protocol""#, 1.0);
        await_metric(&socket, "connections_closed_total", r#"reason="handshake""#, 2.0);
        daemon.stop();
    }
}

#[track_caller]
fn read_until(stream: &mut TcpStream, wanted: &str) {
    use std::io::Read;
    stream.set_read_timeout(Some(crate::support::PATIENCE)).expect("a timeout");
    let mut text = String::new();
    while !text.contains(wanted) {
        let mut room = [0; 1024];
        let read = stream.read(&mut room).expect("replies");
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&room[..read]));
    }
}
