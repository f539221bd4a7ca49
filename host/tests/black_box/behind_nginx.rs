//! Behind nginx's mail proxy, the real one: it takes HELO, MAIL and RCPT itself, asks whom to hand the client to, and
//! introduces the client with XCLIENT.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Client, Daemon, PATIENCE, Process, Setup};

const CLIENT: [u8; 4] = [127, 0, 0, 7];
const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// An nginx of our own, with nothing of the system's.
struct Nginx {
    process: Process,
    /// Where clients connect to.
    address: SocketAddr,
    /// What it asks `auth_http`: the header of each request.
    questions: Receiver<Vec<String>>,
    _dir: TempDir,
}

impl Nginx {
    /// With these directives in its `server` block.
    #[track_caller]
    fn before(daemon: &Daemon, server: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound");
        let (directory, questions) = directory(daemon.address());
        let config = dir.path().join("nginx.conf");
        let text = format!(
            "load_module /usr/lib/nginx/modules/ngx_mail_module.so;\n\
             daemon off;\npid {}/pid;\nerror_log stderr info;\n\
             events {{ }}\n\
             mail {{\n    server_name proxy.example;\n    auth_http {directory}/;\n    \
             server {{\n        listen {address};\n        protocol smtp;\n        smtp_auth none;\n        {server}\n    }}\n}}\n",
            dir.path().display(),
        );
        fs::write(&config, text).expect("our own directory");
        let mut command = Command::new("nginx");
        command.arg("-e").arg("stderr").arg("-p").arg(dir.path()).arg("-c").arg(config);
        // A listening socket to take over, by its descriptor: how an old nginx hands its sockets to a new one.
        command.env("NGINX", "0;");
        let process = Process::spawn_listening(command, socket);
        Self { process, address, questions, _dir: dir }
    }

    #[track_caller]
    fn question(&self) -> Vec<String> {
        self.questions.recv_timeout(PATIENCE).expect("nginx asks for every client")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, it would leave its worker behind.
        self.process.signal(Signal::SIGTERM);
        self.process.wait();
    }
}

/// The least of what nginx asks where to go (`auth_http`): always to this address. What it was asked comes out of the other end.
fn directory(daemon: SocketAddr) -> (SocketAddr, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (questions, receiver) = channel();
    // Ends with the test process; a listener that nobody connects to costs nothing.
    thread::spawn(move || {
        for nginx in listener.incoming().flatten() {
            let question = answer(nginx, daemon);
            if questions.send(question).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

fn answer(mut nginx: TcpStream, daemon: SocketAddr) -> Vec<String> {
    let lines = BufReader::new(&nginx).lines().map_while(Result::ok);
    let question = lines.take_while(|line| !line.is_empty()).collect();
    let answer = format!(
        "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: {}\r\nAuth-Port: {}\r\n\r\n",
        daemon.ip(),
        daemon.port()
    );
    // nginx tells the client when it got no answer.
    let _ = nginx.write_all(answer.as_bytes());
    question
}

fn setup() -> Setup {
    Setup::chain("HeadersParser|Header|MailDir|Recorder")
        .backend("connect_process", "Policy")
        .server("trusted_proxies", json!(["127.0.0.1"]))
}

/// Sends a mail as the client; what the processors have seen of it.
#[track_caller]
fn mail_through(nginx: &Nginx, daemon: &Daemon, helo: &str) -> Value {
    let mut client = Client::connect_from(CLIENT, nginx.address);
    client.expect_reply("220 proxy.example ");
    client.expect(helo, "250");
    let reply = client.mail("a@example.com", &["test@example.test"], MESSAGE);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    client.expect("QUIT", "221 ");
    let question = nginx.question();
    assert!(question.contains(&"Client-IP: 127.0.0.7".to_owned()), "{question:?}");
    let records = daemon.records();
    records.into_iter().rfind(|record| record["what"] == "settled").expect("a mail")
}

#[test]
fn the_client_is_whom_nginx_speaks_for() {
    let daemon = setup().server("xclient_on", true).start();
    let nginx = Nginx::before(&daemon, "xclient on;");
    for helo in ["EHLO client.example", "HELO client.example"] {
        let seen = mail_through(&nginx, &daemon, helo);
        assert_eq!(
            (&seen["remote_ip"], &seen["remote_name"], &seen["helo"]),
            // nginx says NAME=[UNAVAILABLE], as it has not been told a resolver.
            (&json!("127.0.0.7"), &Value::Null, &json!("client.example")),
            "{helo}"
        );
        let mails = daemon.mails("test");
        let mail = mails.last().expect("a mail");
        assert!(mail.contains("[127.0.0.7]") && !mail.contains("[127.0.0.1]"), "{mail}");
    }
    daemon.stop();
}

#[test]
fn refusals_of_ours_reach_the_client() {
    let daemon = setup().server("xclient_on", true).start();
    let nginx = Nginx::before(&daemon, "xclient on;");
    let mut client = Client::connect_from(CLIENT, nginx.address);
    client.expect_reply("220 ");
    client.expect("EHLO client.example", "250");
    client.expect("MAIL FROM:<a@example.com>", "250 ");
    client.expect("RCPT TO:<somebody@elsewhere.example>", "550 5.7.1 ");
    client.expect("RCPT TO:<test@example.test>", "250 2.1.5 ");
    // From here on nginx passes on what the client says. It is not to be somebody else by its own words.
    client.expect("RSET", "250 ");
    client.expect("XCLIENT ADDR=192.0.2.8", "550 5.7.0 ");
    client.expect("QUIT", "221 ");
    daemon.stop();
}

#[test]
fn without_trust_the_proxy_is_the_client() {
    let daemon = setup().server("xclient_on", false).start();
    let nginx = Nginx::before(&daemon, "xclient off;");
    let seen = mail_through(&nginx, &daemon, "EHLO client.example");
    assert_eq!(seen["remote_ip"], "127.0.0.1");
    daemon.stop();
}

#[test]
fn the_header_of_nginx_does_without_xclient() {
    let daemon = setup().server("proxy_protocol", "require").start();
    let nginx = Nginx::before(&daemon, "xclient off;\n        proxy_protocol on;");
    let seen = mail_through(&nginx, &daemon, "EHLO client.example");
    // What follows the header is nginx's own: its EHLO carries its name, not the client's.
    assert_eq!((&seen["remote_ip"], &seen["helo"]), (&json!("127.0.0.7"), &json!("proxy.example")));
    daemon.stop();
}
