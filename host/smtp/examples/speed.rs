//! Measures the two costs that matter: octets of data decoded a second, and one small pipelined
//! transaction. `cargo run --release -p guerrilla-smtp --example speed`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use guerrilla_smtp::{
    Answer, BareNewline, Decoded, DotDecoder, PeerTraits, Session, Settings, Step,
};

fn main() {
    for (name, line) in [
        ("base64, 76 octets a line", "x".repeat(76) + "\r\n"),
        ("text, 40 octets a line", "y".repeat(40) + "\r\n"),
        ("every line starts with a dot", format!("..{}\r\n", "z".repeat(74))),
        ("one line", "w".repeat(1 << 16)),
    ] {
        println!("data, {name}: {:.2} GB/s", decoded(&line));
    }
    println!("small pipelined transaction: {:.0} ns", transaction());
}

/// 64 KiB at a time, as from a socket; the best of five runs in octets a nanosecond.
fn decoded(line: &str) -> f64 {
    let block = line.repeat((1 << 16) / line.len());
    let run = || {
        let mut decoder = DotDecoder::new(BareNewline::Reject);
        let (start, mut kept) = (Instant::now(), 0);
        for _ in 0..4000 {
            let mut rest = black_box(block.as_bytes());
            loop {
                let (used, decoded) = decoder.decode(rest);
                rest = &rest[used..];
                match decoded {
                    Decoded::Bytes(bytes) => kept += bytes.len(),
                    _ => break,
                }
            }
        }
        black_box(kept);
        (block.len() * 4000) as f64 / start.elapsed().as_nanos() as f64
    };
    (0..5).map(|_| run()).fold(0.0, f64::max)
}

/// MAIL, RCPT, DATA and a message of about a kilobyte, all in one buffer; the best of five runs.
fn transaction() -> f64 {
    let mut session = Session::new(Arc::new(Settings::default()), PeerTraits::default());
    let mut out = Vec::with_capacity(4096);
    drive(&mut session, b"EHLO client.test\r\n", &mut out);
    let body = "A line of an ordinary message, about as long as they are.\r\n".repeat(17);
    let mail = format!(
        "MAIL FROM:<joe@client.test> SIZE=1000 BODY=8BITMIME\r\nRCPT TO:<ann@mail.test>\r\nDATA\r\n{body}.\r\n"
    );
    let rounds = 200_000;
    let mut run = || {
        let start = Instant::now();
        for _ in 0..rounds {
            out.clear();
            black_box(drive(&mut session, black_box(mail.as_bytes()), &mut out));
        }
        start.elapsed().as_nanos() as f64 / f64::from(rounds)
    };
    (0..5).map(|_| run()).fold(f64::MAX, f64::min)
}

/// Says yes to everything; returns the size of the body.
fn drive(session: &mut Session, mut input: &[u8], out: &mut Vec<u8>) -> usize {
    let mut size = 0;
    loop {
        let (taken, step) = session.receive(input, out);
        input = &input[taken..];
        match step {
            Step::Ask(_) => session.answer(Answer::Accept, out),
            Step::Body(bytes) => size += bytes.len(),
            _ => return size,
        }
    }
}
