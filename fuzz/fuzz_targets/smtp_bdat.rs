//! Chunks, right and wrong ones, between other commands and however they are cut: every reply is the
//! one that RFC 3030 wants, and no octet of a chunk is ever taken for a command.
#![no_main]

use arbitrary::Arbitrary;
use guerrilla_fuzz::driver::{Driver, Policy};
use guerrilla_fuzz::input::pieces;
use guerrilla_fuzz::replies;
use guerrilla_smtp::{PeerTraits, Protocol, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: Case| {
    let settings = Settings {
        protocol: if case.lmtp { Protocol::Lmtp } else { Protocol::Smtp },
        max_size: u64::from(case.max_size),
        max_errors: 0,
        max_unrecognised: 0,
        errors_before_delay: u32::MAX,
        ..Settings::default()
    };
    let limit = if case.max_size == 0 { u64::MAX } else { settings.max_size };
    let mut model = Model { lmtp: case.lmtp, limit, ..Model::default() };
    model.say(if case.lmtp { "LHLO c.test" } else { "EHLO c.test" }, &[220, 250]);
    case.parts.iter().for_each(|part| model.part(part));
    model.say("VRFY x", &[252]);

    let mut driver = Driver::new(settings, PeerTraits::default(), Policy::default());
    pieces(&case.cuts, &model.stream).for_each(|piece| driver.feed(piece));
    assert_eq!(replies::codes(&driver.written), model.codes);
    let bodies: Vec<_> = driver.accepted.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, model.accepted);
});

#[derive(Arbitrary, Debug)]
struct Case {
    lmtp: bool,
    max_size: u8,
    parts: Vec<Part>,
    cuts: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
enum Part {
    Chunk {
        octets: Vec<u8>,
        last: bool,
    },
    Data,
    Mail,
    /// A size, and behind it a word that is not LAST.
    Malformed {
        octets: Vec<u8>,
    },
    NoSize,
    Noop,
    Rcpt,
    Rset,
}

/// What the server has to do, in as few words as possible.
#[derive(Default)]
struct Model {
    lmtp: bool,
    limit: u64,
    open: Option<Open>,
    stream: Vec<u8>,
    codes: Vec<u16>,
    accepted: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Open {
    recipients: usize,
    chunked: bool,
    body: Vec<u8>,
}

impl Model {
    fn say(&mut self, line: &str, codes: &[u16]) {
        self.stream.extend_from_slice(line.as_bytes());
        self.stream.extend_from_slice(b"\r\n");
        self.codes.extend_from_slice(codes);
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Chunk { octets, last } => self.chunk(octets, *last),
            Part::Data => self.data(),
            Part::Mail if self.open.is_some() => self.say("MAIL FROM:<a@b.test>", &[503]),
            Part::Mail => {
                self.say("MAIL FROM:<a@b.test>", &[250]);
                self.open = Some(Open::default());
            }
            Part::Malformed { octets } => {
                self.say(&format!("BDAT {} FIRST", octets.len()), &[501]);
                self.stream.extend_from_slice(octets);
                // It spoils the message, though nobody may be to have it yet.
                self.open = None;
            }
            Part::NoSize => self.say("BDAT LAST", &[501]),
            Part::Noop => self.say("NOOP", &[250]),
            Part::Rcpt => match &mut self.open {
                Some(open) if !open.chunked && open.recipients < 100 => {
                    open.recipients += 1;
                    self.say("RCPT TO:<c@d.test>", &[250]);
                }
                Some(open) if !open.chunked => self.say("RCPT TO:<c@d.test>", &[452]),
                _ => self.say("RCPT TO:<c@d.test>", &[503]),
            },
            Part::Rset => {
                self.say("RSET", &[250]);
                self.open = None;
            }
        }
    }

    fn chunk(&mut self, octets: &[u8], last: bool) {
        let size = octets.len() as u64;
        self.say(&format!("BDAT {size}{}", if last { " last" } else { "" }), &[]);
        self.stream.extend_from_slice(octets);
        let Some(open) = self.open.as_mut().filter(|open| open.recipients > 0) else {
            // Of one that has others behind it, nobody is to get the rest.
            self.open.take_if(|_| !last);
            return self.codes.push(503);
        };
        let times = if self.lmtp && last { open.recipients } else { 1 };
        if open.body.len() as u64 + size > self.limit {
            self.codes.extend(vec![552; times]);
            self.open = None;
            return;
        }
        open.chunked = true;
        open.body.extend_from_slice(octets);
        self.codes.extend(vec![250; times]);
        if last {
            self.accepted.extend(self.open.take().map(|open| open.body));
        }
    }

    fn data(&mut self) {
        match self.open.take_if(|open| open.recipients > 0 && !open.chunked) {
            None => self.say("DATA", &[503]),
            Some(open) => {
                self.say("DATA", &[354]);
                let times = if self.lmtp { open.recipients } else { 1 };
                self.say(".", &vec![250; times]);
                self.accepted.push(Vec::new());
            }
        }
    }
}
