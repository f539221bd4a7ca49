//! Every kind of load against the floor, by the real programs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

struct Floor(Child, String);

impl Floor {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_floor-sink"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the floor starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("the floor says where it listens");
        let address = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self(child, address)
    }

    /// The result, and the exit status.
    fn load(&self, arguments: &str) -> (Value, i32) {
        let done = Command::new(env!("CARGO_BIN_EXE_guerrilla-bench"))
            .args([self.1.as_str(), "--json", "-q"])
            .args(arguments.split(' '))
            .output()
            .expect("the load runs");
        let result = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
        (result, done.status.code().expect("no signal"))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

#[test]
fn every_message_arrives_and_every_reply_is_counted() {
    let floor = Floor::start(&[]);
    for (arguments, recipients, go_on) in [
        ("-n 500 -c 7 -k 11", 1, 500),
        ("-n 500 -c 7 -k 11 -p --threads 3", 1, 500),
        ("-n 500 -c 7 -k 1", 1, 500),
        ("-n 50 -c 3 -s 1m", 1, 50),
        ("-n 50 -c 3 -p -s 1k:2,3m:1", 1, 50),
        ("-n 100 -c 3 -p --chunking 1k", 1, 0),
        ("-n 100 -c 3 --chunking 1k -r 4", 4, 0),
        ("-n 100 -c 3 -p -r 20", 20, 100),
    ] {
        let (result, status) = floor.load(arguments);
        let sessions = result["connections"]["greeted"].as_u64().unwrap();
        let sent = result["messages"]["accepted"].as_u64().unwrap();
        assert_eq!(status, 0, "{arguments}: {result:#}");
        assert_eq!(result["replies"]["220"], sessions, "{arguments}");
        assert_eq!(result["replies"]["221"], sessions, "{arguments}");
        assert_eq!(result["replies"]["354"].as_u64().unwrap_or(0), go_on, "{arguments}");
        if go_on > 0 {
            // EHLO; MAIL, every RCPT and the end of data.
            assert_eq!(result["replies"]["250"], sessions + sent * (2 + recipients), "{arguments}");
        }
        let asked: u64 = arguments.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(sent, asked, "{arguments}: {result:#}");
    }
}

#[test]
fn lmtp_waits_for_the_reply_of_each_recipient() {
    let (result, status) = Floor::start(&[]).load("-n 90 -c 3 -k 10 --lmtp -p -r 5");
    let sessions = result["connections"]["greeted"].as_u64().unwrap();
    assert_eq!((status, &result["messages"]["accepted"]), (0, &90.into()));
    assert_eq!(result["replies"]["250"], sessions + 90 * (1 + 5 + 5));
}

#[test]
fn messages_are_due_at_their_rate() {
    let (result, status) = Floor::start(&[]).load("-c 4 -k 50 --rate 400 -d 1 --threads 2");
    let sent = result["messages"]["accepted"].as_u64().unwrap();
    let overdue = result["messages"]["overdue"].as_u64().unwrap();
    assert!((398..=402).contains(&(sent + overdue)), "{result:#}");
    assert_eq!(status, i32::from(overdue > 0));
}

#[test]
fn sessions_without_mail_and_idle_ones() {
    let floor = Floor::start(&[]);
    let (result, status) = floor.load("-c 5 -k 0 -n 200");
    assert_eq!((status, &result["connections"]["greeted"]), (0, &200.into()));
    let (result, status) = floor.load("-c 2 -k 5 -n 20 --idle 50");
    assert_eq!((status, &result["messages"]["accepted"]), (0, &20.into()));
    assert_eq!(
        result["connections"]["greeted"].as_u64().unwrap() - 50,
        result["replies"]["221"].as_u64().unwrap()
    );
}

#[test]
fn tls_in_both_ways_with_and_without_resumption() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let arguments = ["--certificate", &certificate, "--key", &key];
    let starttls = Floor::start(&arguments);
    let implicit = Floor::start(&[&arguments[..], &["--implicit"]].concat());
    for (floor, mode) in [(&starttls, "starttls"), (&implicit, "implicit")] {
        for more in ["-p -s 300k", "--tls12", "--no-resumption"] {
            let (result, status) = floor.load(&format!("-n 60 -c 3 -k 4 --tls {mode} {more}"));
            assert_eq!(
                (status, &result["messages"]["accepted"]),
                (0, &60.into()),
                "{mode} {more} {result:#}"
            );
            let resumed = result["tls"]["resumed"].as_u64().unwrap();
            assert_eq!(resumed == 0, more == "--no-resumption", "{mode} {more} {result:#}");
        }
    }
}

#[test]
fn nobody_there_is_an_error_and_not_a_hang() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_guerrilla-bench"))
        .args([address.to_string().as_str(), "-q", "-d", "60"])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stdout).contains("Connection refused"), "{done:?}");
}
