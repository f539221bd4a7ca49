//! One command line in every state: exactly one reply, nothing changed by a refusal, and the session
//! still in step.
#![no_main]

use guerrilla_fuzz::driver::{Driver, Policy};
use guerrilla_fuzz::input::Input;
use guerrilla_fuzz::replies;
use guerrilla_smtp::{PeerTraits, Settings, Waiting};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (settings, peer) = input.settings();
    let settings = Settings { help: true, ..settings }; // no other reply is a 214: it shows who is in step
    let end = input.rest.windows(2).position(|pair| pair == b"\r\n").unwrap_or(input.rest.len());
    let line = [&input.rest[..end], b"\r\n"].concat();
    // A final CR would join the CRLF to another line end; it is still one line.
    for state in STATES {
        check(settings.clone(), peer, state, &line);
    }
});

/// What has been said before.
const STATES: &[&[&str]] = &[
    &[],
    &["HELO c.test"],
    &["EHLO c.test"],
    &["LHLO c.test"],
    &["EHLO c.test", "MAIL FROM:<a@b.test>"],
    &["LHLO c.test", "MAIL FROM:<a@b.test> BODY=BINARYMIME"],
    &["EHLO c.test", "MAIL FROM:<bad"],
    &["HELO c.test", "MAIL FROM:<>", "RCPT TO:<Postmaster>"],
    &["EHLO c.test", "MAIL FROM:<> SMTPUTF8", "RCPT TO:<a@b.test>"],
    &["EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<bad"],
    &["EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "BDAT 1\r\nx"],
    &["LHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "BDAT 2\r\n"],
    &["EHLO c.test", "STARTTLS"],
    &["EHLO c.test", "STARTTLS", "EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>"],
];

fn check(settings: Settings, peer: PeerTraits, state: &[&str], line: &[u8]) {
    let mut driver = Driver::new(settings, peer, Policy::default());
    for said in state {
        driver.feed(said.as_bytes());
        // A chunk's octets are the end of what is said; lines get theirs here.
        driver.feed(if said.starts_with("BDAT") { b"" } else { b"\r\n" });
    }
    if driver.closed.is_some() || driver.session.waiting() != Waiting::Command {
        return;
    }
    let before = Standing::of(&driver);
    let given = replies::codes(&driver.written).len();
    driver.feed(line);
    let codes = replies::codes(&driver.written).split_off(given);
    let shown = line.escape_ascii();
    match (driver.closed, driver.session.waiting(), codes.as_slice()) {
        (None, Waiting::Body, [] | [354]) => return, // BDAT or DATA
        (_, _, [code]) => {
            let is_bdat = line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"));
            if *code >= 400 && !is_bdat && driver.closed.is_none() {
                assert_eq!(Standing::of(&driver), before, "{shown} refused, yet it did something");
            }
        }
        _ => panic!("{codes:?} for {shown}"),
    }
    if driver.closed.is_none() {
        driver.feed(b"HELP\r\n");
        let codes = replies::codes(&driver.written).split_off(given + 1);
        assert_eq!(codes, [214], "behind {shown}");
    }
}

/// What a command may change.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    transaction: bool,
    recipients: u32,
    hello: Option<guerrilla_smtp::HelloVerb>,
    tls: bool,
    accepted: usize,
}

impl Standing {
    fn of(driver: &Driver) -> Self {
        let session = &driver.session;
        Self {
            transaction: session.in_transaction(),
            recipients: session.recipients(),
            hello: session.hello(),
            tls: session.is_tls(),
            accepted: driver.accepted.len(),
        }
    }
}
