//! Behind HAProxy in TCP mode, the real one: whoever it speaks for is the client, in every form its header has.
//!
//! Client, proxy and daemon are told apart by loopback addresses of their own.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Client, Daemon, PATIENCE, Process, Setup};

const CLIENT: [u8; 4] = [127, 0, 0, 7];
const PROXY: &str = "127.0.0.3";
const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// A HAProxy of our own, with nothing of the system's.
struct HaProxy {
    process: Process,
    /// Where clients connect to.
    address: SocketAddr,
    _dir: TempDir,
}

/// What differs between one HAProxy and the next.
#[derive(Default)]
struct Words<'a> {
    /// Behind `bind`.
    bind: &'a str,
    /// In `backend`.
    backend: &'a str,
    /// Behind `server`.
    server: &'a str,
}

impl HaProxy {
    #[track_caller]
    fn before(daemon: &Daemon, words: &Words<'_>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound");
        let config = dir.path().join("haproxy.cfg");
        let text = format!(
            "global\n    maxconn 100\n    log stdout format raw local0\n\
             defaults\n    mode tcp\n    log global\n    timeout connect 20s\n    timeout client 60s\n    timeout server 60s\n\
             frontend mail\n    bind fd@0 {}\n    unique-id-format mail-%cp\n    default_backend daemon\n\
             backend daemon\n    {}\n    server guerrillad {} source {PROXY} {}\n",
            words.bind,
            words.backend,
            daemon.address(),
            words.server,
        );
        fs::write(&config, text).expect("our own directory");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(config);
        Self { process: Process::spawn_listening(command, socket), address, _dir: dir }
    }
}

/// A daemon that believes our HAProxy.
fn daemon(mode: &str) -> Daemon {
    believing(mode).start()
}

fn believing(mode: &str) -> Setup {
    Setup::chain("HeadersParser|Header|MailDir|Recorder")
        .server("proxy_protocol", mode)
        .server("trusted_proxies", json!([PROXY]))
}

/// What the processors have seen of the last mail.
#[track_caller]
fn settled(daemon: &Daemon) -> Value {
    let records = daemon.records();
    let settled = records.into_iter().rfind(|record| record["what"] == "settled");
    settled.expect("a mail")
}

#[test]
fn the_client_is_whom_haproxy_speaks_for() {
    for mode in ["require", "accept"] {
        let daemon = daemon(mode);
        for server in ["send-proxy", "send-proxy-v2"] {
            let haproxy = HaProxy::before(&daemon, &Words { server, ..Words::default() });
            let mut client = Client::connect_from(CLIENT, haproxy.address);
            client.expect_reply("220 ");
            client.expect("EHLO client.example", "250");
            let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
            assert!(reply.starts_with("250 2.0.0 "), "{mode}, {server}: {reply}");
            let seen = settled(&daemon);
            assert_eq!(
                (&seen["remote_ip"], &seen["remote_port"], &seen["local_ip"], &seen["local_port"]),
                (
                    &json!("127.0.0.7"),
                    &json!(client.local_address().port()),
                    &json!("127.0.0.1"),
                    &json!(haproxy.address.port())
                ),
                "{mode}, {server}"
            );
            let mails = daemon.mails("test");
            let mail = mails.last().expect("a mail");
            assert!(mail.contains("[127.0.0.7]") && !mail.contains(PROXY), "Received: {mail}");
            client.expect("QUIT", "221 ");
        }
        daemon.stop();
    }
}

#[test]
fn further_things_that_haproxy_knows_are_notes_of_the_session() {
    let daemon = daemon("require");
    let server = "send-proxy-v2 proxy-v2-options unique-id,crc32c";
    let haproxy = HaProxy::before(&daemon, &Words { server, ..Words::default() });
    let mut client = Client::connect_from(CLIENT, haproxy.address);
    client.expect_reply("220 ");
    client.expect("EHLO client.example", "250");
    for mail in 0..2 {
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        let id = format!("mail-{}", client.local_address().port());
        assert_eq!(settled(&daemon)["notes"], json!({ "unique_id": id }), "mail {mail}");
    }
    daemon.stop();
}

#[test]
fn tls_that_ends_at_haproxy_is_told() {
    let pair = Pair::new();
    let daemon = daemon("require");
    let haproxy = HaProxy::before(
        &daemon,
        &Words {
            bind: &format!("ssl crt {}", pair.both.display()),
            server: "send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority",
            ..Words::default()
        },
    );
    let replies = mail_by_openssl(haproxy.address);
    assert!(replies.contains("\n250 2.0.0 "), "{replies}");
    let seen = settled(&daemon);
    let notes = &seen["notes"];
    assert_eq!(seen["remote_ip"], "127.0.0.1", "s_client has no address of its own");
    assert_eq!(
        (&notes["authority"], &notes["ssl_version"], &notes["ssl_cn"]),
        (&json!("mail.example.test"), &json!("TLSv1.3"), &Value::Null),
        "{notes}"
    );
    let cipher = notes["ssl_cipher"].as_str().unwrap_or_default();
    assert!(cipher.starts_with("TLS_"), "{notes}");
    daemon.stop();
}

#[test]
fn tls_passes_through_behind_the_header() {
    let pair = Pair::new();
    let tls = json!({
        "tls_always_on": true,
        "public_key_file": pair.certificate,
        "private_key_file": pair.key,
    });
    let daemon = believing("require").server("tls", tls).start();
    let haproxy = HaProxy::before(&daemon, &Words { server: "send-proxy-v2", ..Words::default() });
    let replies = mail_by_openssl(haproxy.address);
    assert!(replies.contains("\n250 2.0.0 "), "{replies}");
    let mail = &daemon.mails("test")[0];
    assert!(mail.contains("ESMTPS") && !mail.contains(PROXY), "Received: {mail}");
    daemon.stop();
}

#[test]
fn health_checks_do_no_harm() {
    let daemon = daemon("require");
    for (server, backend) in [
        ("send-proxy-v2 check inter 50ms fall 1", ""),
        ("send-proxy check inter 50ms fall 1", "option smtpchk EHLO haproxy.example"),
        ("send-proxy-v2 check inter 50ms fall 1", "option smtpchk EHLO haproxy.example"),
    ] {
        let checks = daemon.log().with(" closed ").len();
        let haproxy = HaProxy::before(&daemon, &Words { server, backend, bind: "" });
        // A check that found anything wrong comes before the third that is over.
        daemon.log().wait_for_so_many(checks + 3, " closed ");
        let down = haproxy.process.stdout.with("DOWN");
        assert!(down.is_empty(), "{server}, {backend}: {down:?}");
        let mut client = Client::connect_from(CLIENT, haproxy.address);
        client.expect_reply("220 ");
        client.expect("EHLO client.example", "250");
        let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
        assert!(reply.starts_with("250 2.0.0 "), "{reply}");
        assert_eq!(settled(&daemon)["remote_ip"], "127.0.0.7");
    }
    let troubles = daemon.log().with("ERROR");
    assert!(troubles.is_empty(), "{troubles:?}");
    daemon.stop();
}

#[test]
fn who_comes_past_haproxy_speaks_for_itself_or_not_at_all() {
    let direct = daemon("accept");
    let mut client = Client::connect_from(CLIENT, direct.address());
    client.expect_reply("220 ");
    client.expect("EHLO client.example", "250");
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(settled(&direct)["remote_ip"], "127.0.0.7");
    direct.stop();

    let closed = daemon("require");
    let mut client = Client::connect_from(CLIENT, closed.address());
    client.expect_end();
    closed.log().wait_for("127.0.0.7:");
    closed.log().wait_for("this peer is not in trusted_proxies");
    closed.stop();
}

#[test]
fn a_haproxy_that_sends_no_header_is_closed_and_named_in_the_log() {
    let daemon = daemon("require");
    let haproxy = HaProxy::before(&daemon, &Words::default());
    let mut client = Client::connect_from(CLIENT, haproxy.address);
    // Nothing is said, as the proxy would hand it to somebody.
    client.expect_end();
    let line = daemon.log().wait_for("no PROXY header within 10s");
    assert!(line.contains(PROXY) && line.contains("HAProxy: send-proxy-v2"), "{line}");
    daemon.stop();
}

/// A certificate that nobody vouches for.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    /// Both in one file, as HAProxy wants them.
    both: PathBuf,
    _dir: TempDir,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        let (certificate, key, both) = (path("crt"), path("key"), path("both"));
        let made = rcgen::generate_simple_self_signed(vec!["mail.example.test".to_owned()]);
        let made = made.expect("a name");
        let (certificate_text, key_text) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(&certificate, &certificate_text).expect("our own directory");
        fs::write(&key, &key_text).expect("our own directory");
        fs::write(&both, certificate_text + &key_text).expect("our own directory");
        Self { certificate, key, both, _dir: dir }
    }
}

/// Sends a mail through TLS; all that came back.
#[track_caller]
fn mail_by_openssl(address: SocketAddr) -> String {
    // Bounded from outside: s_client has no time-out of its own.
    let mut command = Command::new("timeout");
    command.args([&PATIENCE.as_secs().to_string(), "openssl", "s_client", "-quiet"]);
    command.args(["-nocommands", "-ign_eof", "-servername", "mail.example.test"]);
    command.args(["-connect", &address.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mail = format!(
        "EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<test@example.test>\r\nDATA\r\n{MESSAGE}.\r\nQUIT\r\n"
    );
    let mut input = child.stdin.take().expect("piped");
    // A handshake that fails ends it before it has read this.
    let _ = input.write_all(mail.as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("our own child");
    let replies = String::from_utf8_lossy(&output.stdout).into_owned();
    format!("{replies}{}", String::from_utf8_lossy(&output.stderr))
}
