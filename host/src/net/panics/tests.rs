use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::config::Config;
use crate::daemon::{Daemon, Ended};
use crate::net::tls::testing;
use crate::observe::Log;

/// Who says the name in HELO or to TLS, or comes from the address, finds a fault of ours.
pub(super) const TRIPWIRES: [&str; 2] = [NAME, "203.0.113.86"];
const NAME: &str = "tripwire.test";

/// One test, for a process has one log.
#[test]
fn a_panic_ends_one_connection_with_a_line_in_the_log() {
    let (_files, pair, certificate) = testing::pair_for(&[testing::NAME, NAME]);
    let files = format!(
        r#""public_key_file": "{}", "private_key_file": "{}""#,
        pair.certificate_chain.display(),
        pair.private_key.display()
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let usual = r#""is_enabled": true, "max_clients": 2, "listen_interface": "127.0.0"#;
    let text = format!(
        r#"{{"log_file": "{}", "allowed_hosts": ["."], "servers": [
            {{{usual}.1:0"}},
            {{{usual}.2:0", "proxy_protocol": "require", "trusted_proxies": ["127.0.0.0/8"]}},
            {{{usual}.3:0", "tls": {{"tls_always_on": true, {files}}}}},
            {{{usual}.4:0", "tls": {{"start_tls_on": true, {files}}}}}
        ]}}"#,
        path.display()
    );
    let config = Config::from_json(&text, "test").unwrap().config;
    let log = Log::open(&config.log, false).unwrap();
    log.install();
    let daemon = Daemon::builder().config(config).log(log.clone()).start().unwrap();
    let [plain, proxied, always, later] = daemon.addresses()[..] else { panic!("four servers") };
    let client = Arc::new(testing::trusting(certificate));

    // Each more often than there are places: they are given back.
    in_a_session(plain);
    at_a_proxy_header(proxied);
    in_a_first_handshake(always, &client);
    in_a_handshake_after_starttls(later, &client);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(daemon.shutdown(Duration::from_secs(60)));
    assert_eq!(ended, Ended::Drained);
    log.close();
    let said = std::fs::read_to_string(&path).unwrap();
    for words in ["the session has panicked", "letting it in has panicked"] {
        let told = format!("{words} and was closed: the tripwire");
        assert_eq!(said.lines().filter(|line| line.contains(&told)).count(), 6, "{said}");
    }
}

fn in_a_session(server: SocketAddr) {
    let mut other = connected(server);
    let mut replies = BufReader::new(other.try_clone().unwrap()).lines();
    assert!(replies.next().unwrap().unwrap().starts_with("220 "));
    for _ in 0..3 {
        let heard = let_in(server, |wire| conversation(wire, "HELO tripwire.test\r\nNOOP\r\n"));
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert_eq!(heard[1], "421 4.3.0 Local error, closing connection");
        let heard = let_in(server, |wire| conversation(wire, "QUIT\r\n"));
        assert_eq!(heard.len(), 2, "{heard:?}");
    }
    other.write_all(b"NOOP\r\n").unwrap();
    assert!(replies.next().unwrap().unwrap().starts_with("250 "));
}

fn at_a_proxy_header(server: SocketAddr) {
    for _ in 0..3 {
        for (source, lines) in [("203.0.113.86", 0), ("203.0.113.87", 2)] {
            let said = format!("PROXY TCP4 {source} 192.0.2.1 4321 25\r\nQUIT\r\n");
            let heard = let_in(server, |wire| conversation(wire, &said));
            assert_eq!(heard.len(), lines, "{heard:?}");
        }
    }
}

fn in_a_first_handshake(server: SocketAddr, client: &Arc<ClientConfig>) {
    for _ in 0..3 {
        for (name, lines) in [(NAME, 0), (testing::NAME, 2)] {
            let heard = let_in(server, |wire| encrypted(wire, client, name));
            assert_eq!(heard.len(), lines, "{heard:?}");
        }
    }
}

fn in_a_handshake_after_starttls(server: SocketAddr, client: &Arc<ClientConfig>) {
    for _ in 0..3 {
        for (name, lines) in [(NAME, 0), (testing::NAME, 1)] {
            let heard = let_in(server, |wire| started(wire, client, name));
            // And nothing in the clear behind the word that TLS begins.
            assert_eq!(heard.len(), lines, "{heard:?}");
        }
    }
}

/// What is heard when there is a place.
fn let_in(server: SocketAddr, converse: impl Fn(TcpStream) -> Vec<String>) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let heard = converse(connected(server));
        if heard != [NO_PLACE] {
            return heard;
        }
        assert!(Instant::now() < deadline, "the place is not given back");
    }
}

fn connected(server: SocketAddr) -> TcpStream {
    let wire = TcpStream::connect(server).unwrap();
    wire.set_read_timeout(Some(PATIENCE)).unwrap();
    wire
}

/// All that a client hears that says these lines.
fn conversation(mut wire: TcpStream, lines: &str) -> Vec<String> {
    wire.write_all(lines.as_bytes()).unwrap();
    BufReader::new(wire).lines().map_while(Result::ok).collect()
}

/// All that is heard behind a handshake for this name.
fn encrypted(wire: TcpStream, config: &Arc<ClientConfig>, name: &'static str) -> Vec<String> {
    let name = ServerName::try_from(name).unwrap();
    let client = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut wire = StreamOwned::new(client, wire);
    // The handshake may be as far as we get.
    let _ = wire.write_all(b"QUIT\r\n");
    if wire.conn.is_handshaking() {
        // Who is turned away hears nothing in the clear.
        return vec![NO_PLACE.to_owned()];
    }
    BufReader::new(wire).lines().map_while(Result::ok).collect()
}

/// The same behind STARTTLS, or all that is heard in its stead.
fn started(mut wire: TcpStream, config: &Arc<ClientConfig>, name: &'static str) -> Vec<String> {
    wire.write_all(b"EHLO client.example\r\nSTARTTLS\r\n").unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n220 2.0.0 Ready to start TLS\r\n") {
        let mut octet = [0];
        if wire.read(&mut octet).unwrap() == 0 {
            return vec![String::from_utf8(heard).unwrap().trim_end().to_owned()];
        }
        heard.extend(octet);
    }
    encrypted(wire, config, name)
}

const NO_PLACE: &str = "421 Too many connections, try again later";
const PATIENCE: Duration = Duration::from_secs(60);
