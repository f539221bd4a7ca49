//! Runs every dialogue of `tests/transcripts`: whole, byte by byte, and at every split.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use guerrilla_smtp::{BareNewline, PeerTraits, Protocol, Settings};

use crate::driver::Driver;

/// A dialogue from a file; `README.md` beside them describes the form.
struct Scenario {
    name: String,
    settings: Settings,
    peer: PeerTraits,
    split: bool,
    acts: Vec<Act>,
}

enum Act {
    /// Bytes the client sends at once.
    Client(Vec<u8>),
    Event(String),
    Outcome(String),
    /// Lines the server answers.
    Server(Vec<String>),
}

/// How a run cuts the client's bytes.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Once, at this place of the whole stream.
    At(usize),
    EachByte,
    Whole,
}

#[test]
fn transcripts_give_the_same_replies_however_the_bytes_arrive() {
    let scenarios = scenarios();
    assert!(scenarios.len() > 40, "only {} transcripts found", scenarios.len());
    for scenario in &scenarios {
        let length = scenario.run(Cut::Whole);
        if scenario.split {
            scenario.run(Cut::EachByte);
            for at in 0..=length {
                scenario.run(Cut::At(at));
            }
        }
    }
}

/// `CONFORMANCE.md` names each transcript, and every test it names exists.
#[test]
fn conformance_table_and_tests_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("CONFORMANCE.md")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| {
            line.starts_with("| ") && !line.starts_with("| Clause") && !line.starts_with("| ---")
        })
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut named = BTreeSet::new();
    let sources = sources(root);
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        let status = row[2];
        assert!(["done", "partly", "not offered"].contains(&status), "status of {row:?}");
        assert!(status == "not offered" || row[3] != "-", "no test for {row:?}");
        for name in row[3].split('`').skip(1).step_by(2) {
            match name.rsplit_once("::") {
                Some((_, function)) => {
                    assert!(sources.contains(&format!("fn {function}(")), "no test {name}");
                }
                None => drop(named.insert(name.to_owned())),
            }
        }
    }
    let files: BTreeSet<String> = scenarios().into_iter().map(|scenario| scenario.name).collect();
    let difference: Vec<&String> = named.symmetric_difference(&files).collect();
    assert!(difference.is_empty(), "only in the table or only on disk: {difference:?}");
    assert!(rows.len() > 60);
}

fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Scenario::read(path)).collect()
}

/// All Rust files of the crate as one text.
fn sources(root: &Path) -> String {
    let mut text = String::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

impl Scenario {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut this = Self {
            settings: Settings {
                host_name: "mail.test".to_owned(),
                error_delay: Duration::ZERO,
                ..Settings::default()
            },
            peer: PeerTraits::default(),
            split: true,
            acts: Vec::new(),
            name,
        };
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("# "), "{}: no comment on top", this.name);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            this.line(line);
        }
        this
    }

    fn line(&mut self, line: &str) {
        let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match mark {
            "# " | "#" => {}
            "@ " => {
                let (key, value) = rest.split_once('=').expect(line);
                self.setting(key.trim(), value.trim());
            }
            "C:" | "c:" => {
                let mut bytes = unescape(rest);
                if mark == "C:" {
                    bytes.extend_from_slice(b"\r\n");
                }
                match self.acts.last_mut() {
                    Some(Act::Client(group)) => group.extend(bytes),
                    _ => self.acts.push(Act::Client(bytes)),
                }
            }
            "S:" => match self.acts.last_mut() {
                Some(Act::Server(lines)) => lines.push(rest.to_owned()),
                _ => self.acts.push(Act::Server(vec![rest.to_owned()])),
            },
            "! " => self.acts.push(Act::Event(rest.to_owned())),
            "= " => self.acts.push(Act::Outcome(rest.to_owned())),
            _ => panic!("{}: what is `{line}`?", self.name),
        }
    }

    fn setting(&mut self, key: &str, value: &str) {
        let on = || match value {
            "true" => true,
            "false" => false,
            _ => panic!("{key} is true or false, not {value}"),
        };
        let number = || value.parse().unwrap_or_else(|_| panic!("{key} is a number, not {value}"));
        let settings = &mut self.settings;
        match (key, value) {
            ("bare_newline", "normalize") => settings.bare_newline = BareNewline::Normalize,
            ("bare_newline", "reject") => settings.bare_newline = BareNewline::Reject,
            ("binarymime", _) => settings.binarymime = on(),
            ("chunking", _) => settings.chunking = on(),
            ("dsn", _) => settings.dsn = on(),
            ("enhanced_status_codes", _) => settings.enhanced_status_codes = on(),
            ("eight_bit_mime", _) => settings.eight_bit_mime = on(),
            ("help", _) => settings.help = on(),
            ("host_name", _) => settings.host_name = value.to_owned(),
            ("limits", _) => settings.limits = on(),
            ("max_errors", _) => settings.max_errors = number() as u32,
            ("max_messages", _) => settings.max_messages = number() as u32,
            ("max_rcpt", _) => settings.max_rcpt = number() as u32,
            ("max_size", _) => settings.max_size = number(),
            ("max_unrecognised", _) => settings.max_unrecognised = number() as u32,
            ("only", "pure") => {}
            ("pipelining", _) => settings.pipelining = on(),
            ("prdr", _) => settings.prdr = on(),
            ("protocol", "lmtp") => settings.protocol = Protocol::Lmtp,
            ("require_helo", _) => settings.require_helo = on(),
            ("requiretls", _) => settings.requiretls = on(),
            ("size", _) => settings.size = on(),
            ("smtputf8", _) => settings.smtputf8 = on(),
            ("split", "no") => self.split = false,
            ("start_tls_on", _) => settings.start_tls = on(),
            ("tls_always_on", _) => self.peer.tls = on(),
            ("tls_required", _) => settings.tls_required = on(),
            ("trusted_proxy", _) => self.peer.trusted_proxy = on(),
            ("xclient_on", _) => settings.xclient = on(),
            ("xforward_on", _) => settings.xforward = on(),
            _ => panic!("{}: no setting {key} = {value}", self.name),
        }
    }

    /// Plays the scenario; returns how many bytes the client has sent.
    fn run(&self, cut: Cut) -> usize {
        let mut driver = Driver::new(self.settings.clone(), self.peer);
        let mut sent = 0;
        let mut read = 0;
        for act in &self.acts {
            let place = || format!("{} ({cut:?}, byte {sent})", self.name);
            match act {
                Act::Client(bytes) => {
                    assert_eq!(read, driver.written.len(), "{}: unread replies", place());
                    let inside = |at: usize| at.checked_sub(sent).filter(|at| *at <= bytes.len());
                    match cut {
                        Cut::At(at) if inside(at).is_some() => {
                            let (head, tail) = bytes.split_at(at - sent);
                            driver.feed(head);
                            driver.feed(tail);
                        }
                        Cut::At(_) | Cut::Whole => driver.feed(bytes),
                        Cut::EachByte => bytes.chunks(1).for_each(|byte| driver.feed(byte)),
                    }
                    sent += bytes.len();
                }
                Act::Event(event) => Self::event(&mut driver, event),
                Act::Outcome(outcome) => check(&driver, outcome, &place()),
                Act::Server(expected) => {
                    let text = String::from_utf8_lossy(&driver.written[read..]).into_owned();
                    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
                    assert!(
                        fit(expected, &lines),
                        "{}:\nexpected {expected:#?}\ngot {lines:#?}",
                        place()
                    );
                    read = driver.written.len();
                }
            }
        }
        assert_eq!(read, driver.written.len(), "{}: unread replies at the end", self.name);
        sent
    }

    fn event(driver: &mut Driver, event: &str) {
        match event {
            "shutdown" => driver.session.shutting_down(&mut driver.written),
            "timeout" => driver.session.timed_out(&mut driver.written),
            "tls" => driver.tls_done(),
            _ => panic!("no event {event}"),
        }
        driver.feed(b"");
    }
}

fn check(driver: &Driver, outcome: &str, place: &str) {
    let (what, value) = outcome.split_once(' ').unwrap_or((outcome, ""));
    let last = || driver.accepted.last().unwrap_or_else(|| panic!("{place}: nothing accepted"));
    match what {
        "accepted" => assert_eq!(driver.accepted.len().to_string(), value, "{place}"),
        "body" => {
            let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).expect(value);
            let (body, expected) = (&last().body, unescape(quoted));
            assert_eq!(
                body.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{place}"
            );
        }
        "closed" => assert!(driver.closed.is_some(), "{place}: still open"),
        "from" => assert_eq!(format!("<{}>", last().from), value, "{place}"),
        "handshake" => assert!(driver.handshake, "{place}: no handshake"),
        "open" => assert!(driver.closed.is_none(), "{place}: {:?}", driver.closed),
        "rcpt" => assert_eq!(last().rcpt.join(" "), value, "{place}"),
        "transaction" => {
            let open = if driver.open().is_some() { "open" } else { "none" };
            assert_eq!(open, value, "{place}");
        }
        _ => panic!("{place}: no outcome {outcome}"),
    }
}

fn fit(expected: &[String], lines: &[&str]) -> bool {
    let mut lines = lines.iter();
    let matched = expected.iter().all(|pattern| match pattern.strip_suffix('+') {
        // `250+` is a whole reply, however many lines it has.
        Some(code) => lines
            .by_ref()
            .find(|line| !line.starts_with(&format!("{code}-")))
            .is_some_and(|last| last.starts_with(&format!("{code} "))),
        None => lines.next().is_some_and(|line| matches(pattern, line)),
    });
    matched && lines.next().is_none()
}

/// A `*` at the end stands for any tail.
fn matches(pattern: &str, line: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(head) => line.starts_with(head),
        None => line == pattern,
    }
}

/// `\r`, `\n`, `\0`, `\\`, `\xNN`, and `\{byte*count}` for long runs.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let kind = escape.chars().next().expect("something behind a backslash");
        rest = &escape[1..];
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two hexadecimal digits"));
                rest = &rest[2..];
            }
            '{' => {
                let (run, tail) = rest.split_once('}').expect("a closing brace");
                let (unit, count) = run.rsplit_once('*').expect("text*count");
                bytes.extend(unit.repeat(count.parse().expect("a count")).bytes());
                rest = tail;
            }
            _ => panic!("no escape \\{kind}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
