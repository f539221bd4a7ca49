//! The dialogues of the protocol crate (`host/smtp/tests/transcripts`, described in its README), over a socket.
//!
//! The pure session plays them too, cut at every byte. Here the same lines go to the real daemon, and the same
//! replies must come back. Settings become the server's configuration; the Policy processor refuses what the
//! dialogues want refused, and the Recorder tells what was accepted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Client, Daemon, Setup};

/// One dialogue.
struct Dialogue {
    name: String,
    /// Keys of the server, which tell daemons apart.
    server: BTreeMap<String, Value>,
    /// Why it cannot be played over a socket, if so.
    skipped: Option<String>,
    acts: Vec<Act>,
}

enum Act {
    /// Bytes the client sends at once.
    Client(Vec<u8>),
    /// A line, or a whole reply (`250+`), that the server sends.
    Server(String),
    /// What must be true now.
    Outcome(String),
}

#[test]
fn dialogues_over_a_socket() {
    let mut daemons: BTreeMap<String, Daemon> = BTreeMap::new();
    let (mut played, mut skipped) = (0, Vec::new());
    for dialogue in dialogues() {
        if let Some(why) = &dialogue.skipped {
            skipped.push(format!("{}: {why}", dialogue.name));
            continue;
        }
        let settings = format!("{:?}", dialogue.server);
        let daemon = daemons.entry(settings).or_insert_with(|| dialogue.daemon());
        // Names the dialogue if it fails.
        println!("{}", dialogue.name);
        dialogue.play(daemon);
        played += 1;
    }
    println!("{played} played; not played:\n{}", skipped.join("\n"));
    assert!(played >= 50, "only {played} dialogues were played");
    daemons.into_values().for_each(Daemon::stop);
}

fn dialogues() -> Vec<Dialogue> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("smtp/tests/transcripts");
    let entries = fs::read_dir(folder).expect("the transcripts are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths.iter().map(|path| Dialogue::read(path)).collect()
}

impl Dialogue {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut this = Self { name, server: BTreeMap::new(), skipped: None, acts: Vec::new() };
        this.set("host_name", "mail.test".into());
        // Nobody is trusted unless it is said; operators mean this machine when they say nothing.
        this.set("trusted_proxies", json!(["192.0.2.1"]));
        // To operators it goes with XCLIENT, to the session it does not.
        this.set("xforward_on", false.into());
        let text = fs::read_to_string(path).expect("readable");
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            this.line(line);
        }
        let errors = this
            .acts
            .iter()
            .filter(|act| matches!(act, Act::Server(line) if line.starts_with('5')));
        if errors.count() > ERRORS_THAT_COST_NO_TIME {
            this.skip("a daemon makes so many errors cost time");
        }
        this
    }

    fn line(&mut self, line: &str) {
        let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match mark {
            "C:" => self.client([unescape(rest), b"\r\n".to_vec()].concat()),
            "c:" => self.client(unescape(rest)),
            "S:" => self.acts.push(Act::Server(rest.to_owned())),
            "= " => self.acts.push(Act::Outcome(rest.to_owned())),
            "@ " => {
                let (key, value) = rest.split_once('=').expect(line);
                self.setting(key.trim(), value.trim());
            }
            "! " => self.skip("something happens to the server"),
            _ => assert!(mark.starts_with('#'), "{}: what is `{line}`?", self.name),
        }
    }

    fn client(&mut self, bytes: Vec<u8>) {
        match self.acts.last_mut() {
            Some(Act::Client(group)) => group.extend(bytes),
            _ => self.acts.push(Act::Client(bytes)),
        }
    }

    fn setting(&mut self, key: &str, value: &str) {
        let value_of = || serde_json::from_str(value).unwrap_or_else(|_| value.into());
        match key {
            "only" | "start_tls_on" | "tls_always_on" | "tls_required" => {
                self.skip(&format!("{key} = {value}"));
            }
            "split" => {}
            // To the session 0 is no limit, to operators it is the default.
            "max_errors" | "max_unrecognised" if value == "0" => self.set(key, u32::MAX.into()),
            "trusted_proxy" => {
                let proxy = if value == "true" { "127.0.0.1" } else { "192.0.2.1" };
                self.set("trusted_proxies", json!([proxy]));
            }
            "pipelining"
            | "eight_bit_mime"
            | "smtputf8"
            | "chunking"
            | "binarymime"
            | "dsn"
            | "limits"
            | "requiretls"
            | "size"
            | "enhanced_status_codes"
            | "prdr"
            | "help" => {
                let mut extensions = self.server.remove("extensions").unwrap_or_else(|| json!({}));
                extensions[key] = value_of();
                self.set("extensions", extensions);
            }
            _ => self.set(key, value_of()),
        }
    }

    fn set(&mut self, key: &str, value: Value) {
        self.server.insert(key.to_owned(), value);
    }

    fn skip(&mut self, why: &str) {
        self.skipped.get_or_insert_with(|| why.to_owned());
    }

    fn daemon(&self) -> Daemon {
        let setup = Setup::chain("Policy|Recorder")
            .top("allowed_hosts", json!(["."]))
            .top("log_level", "info")
            .backend("mail_process", "Policy")
            .backend("validate_process", "Policy");
        let server = self.server.iter();
        server.fold(setup, |setup, (key, value)| setup.server(key, value.clone())).start()
    }

    fn play(&self, daemon: &Daemon) {
        let before = accepted(daemon).len();
        let mut client = Client::connect(daemon.address());
        let mut closed = false;
        for act in &self.acts {
            match act {
                Act::Client(bytes) => client.send(bytes),
                Act::Server(line) => self.hear(&mut client, line),
                Act::Outcome(outcome) if outcome == "closed" => {
                    client.expect_end();
                    closed = true;
                }
                Act::Outcome(outcome) => self.check(outcome, &accepted(daemon)[before..]),
            }
        }
        if !closed {
            // Whatever it has not said by now, it says now.
            client.finish();
            client.expect_end();
        }
    }

    fn hear(&self, client: &mut Client, expected: &str) {
        let name = &self.name;
        if let Some(code) = expected.strip_suffix('+') {
            let reply = client.reply();
            let fits = reply.lines().all(|line| line.starts_with(code));
            assert!(fits, "{name}: expected {expected}, got {reply}");
            return;
        }
        let line = client.line();
        let fits = match expected.strip_suffix('*') {
            Some(head) => line.starts_with(head),
            None => line == expected,
        };
        assert!(fits, "{name}: expected {expected}, got {line}");
    }

    /// `accepted` are the records of what this dialogue has brought.
    fn check(&self, outcome: &str, accepted: &[Value]) {
        let (what, value) = outcome.split_once(' ').unwrap_or((outcome, ""));
        let last = |key: &str| {
            accepted.last().unwrap_or_else(|| panic!("{}: nothing accepted", self.name))[key]
                .clone()
        };
        let (found, expected) = match what {
            "accepted" => (accepted.len().into(), value.parse::<usize>().expect(value).into()),
            "body" => {
                let quoted =
                    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).expect(value);
                (last("body"), Value::from(unescape(quoted).escape_ascii().to_string()))
            }
            "from" => (format!("<{}>", last("from").as_str().expect("text")).into(), value.into()),
            "rcpt" => (last("rcpt"), Value::from_iter(value.split(' '))),
            // What is inside of the session cannot be seen from here; that it is open shows at the next reply.
            "transaction" | "open" => return,
            _ => panic!("{}: no outcome {outcome}", self.name),
        };
        assert_eq!(found, expected, "{}: {outcome}", self.name);
    }
}

/// The records of accepted messages.
fn accepted(daemon: &Daemon) -> Vec<Value> {
    let mut records = daemon.records();
    records.retain(|record| record["what"] == "settled" && record["accepted"] == true);
    records
}

/// `\r`, `\n`, `\0`, `\\`, `\xNN`, and `\{text*count}` for long runs.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let mut after = escape.chars();
        match after.next().expect("something behind a backslash") {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let (digits, tail) = after.as_str().split_at(2);
                bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
                after = tail.chars();
            }
            '{' => {
                let (run, tail) = after.as_str().split_once('}').expect("a closing brace");
                let (unit, count) = run.rsplit_once('*').expect("text*count");
                bytes.extend(unit.repeat(count.parse().expect("a count")).bytes());
                after = tail.chars();
            }
            kind => panic!("no escape \\{kind}"),
        }
        rest = after.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The session lets each error beyond these wait for a second more than the one before.
const ERRORS_THAT_COST_NO_TIME: usize = 11;
