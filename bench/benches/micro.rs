//! The protocol engine alone: a whole dialogue, and the data of a message.
//!
//! What a call across the border of a plugin costs is measured by the daemon itself: `guerrillad plugins bench FILE`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use guerrilla_bench::letters::{Letter, made_up};
use guerrilla_smtp::{
    Answer, BareNewline, Decoded, DotDecoder, PeerTraits, Session, Settings, Step,
};

/// Feeds a session `pieces`, one after the other, and accepts everything; gives the octets of the bodies.
fn converse(settings: &Arc<Settings>, pieces: &[&[u8]], out: &mut Vec<u8>) -> usize {
    let mut session = Session::new(Arc::clone(settings), PeerTraits::default());
    let mut octets = 0;
    for piece in std::iter::once(&b""[..]).chain(pieces.iter().copied()) {
        let mut input = piece;
        loop {
            let (taken, step) = session.receive(input, out);
            match step {
                Step::Ask(_) => session.answer(Answer::Accept, out),
                Step::Body(body) => octets += body.len(),
                Step::NeedInput | Step::Close(_) => {
                    out.clear();
                    break;
                }
                Step::Flush | Step::Reset => {}
                Step::Pause(_) | Step::Spoilt(_) | Step::StartTls => {
                    unreachable!("not in this dialogue")
                }
            }
            input = &input[taken..];
        }
    }
    octets
}

fn session(criterion: &mut Criterion) {
    let settings =
        Arc::new(Settings { host_name: "mail.example".to_owned(), ..Settings::default() });
    let (mut out, hello) = (Vec::with_capacity(4096), &b"EHLO client.example\r\n"[..]);
    let commands: [&[u8]; 3] = [
        b"MAIL FROM:<sender@client.example>\r\n",
        b"RCPT TO:<receiver@example.com>\r\n",
        b"DATA\r\n",
    ];
    let end = &b"Subject: x\r\n\r\nx\r\n.\r\n"[..];
    let mut group = criterion.benchmark_group("session");
    // A hundred transactions, as the loads have on a connection.
    group.throughput(Throughput::Elements(100));
    let single: Vec<&[u8]> = std::iter::once(hello)
        .chain((0..100).flat_map(|_| commands.into_iter().chain([end])))
        .collect();
    group.bench_function("100 transactions, a command at a time", |bencher| {
        bencher.iter(|| black_box(converse(&settings, black_box(&single), &mut out)));
    });
    let grouped = commands.concat();
    let grouped: Vec<&[u8]> =
        std::iter::once(hello).chain((0..100).flat_map(|_| [grouped.as_slice(), end])).collect();
    group.bench_function("100 transactions, pipelined", |bencher| {
        bencher.iter(|| black_box(converse(&settings, black_box(&grouped), &mut out)));
    });
    group.bench_function("hello and goodbye", |bencher| {
        bencher.iter(|| black_box(converse(&settings, black_box(&[hello, b"QUIT\r\n"]), &mut out)));
    });
    group.finish();
}

fn decode(wire: &[u8]) -> usize {
    let (mut decoder, mut octets) = (DotDecoder::new(BareNewline::Reject), 0);
    // As it is read from a socket.
    for mut input in wire.chunks(64 << 10) {
        while !input.is_empty() {
            let (used, decoded) = decoder.decode(input);
            match decoded {
                Decoded::Bytes(bytes) => octets += bytes.len(),
                Decoded::End => return octets,
                _ => {}
            }
            input = &input[used..];
        }
    }
    octets
}

fn data(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("data");
    let dots = b".\r\n".repeat(3400);
    for (name, message) in [
        ("10 KB", made_up(10 << 10)),
        ("1 MB", made_up(1 << 20)),
        ("10 KB of dots alone on their lines", dots),
    ] {
        let wire = Letter::for_data(&message).wire;
        assert_eq!(decode(&wire), message.len(), "{name}");
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(decode(black_box(&wire)))));
    }
    // What any decoder has to do at least.
    let wire = Letter::for_data(&made_up(1 << 20)).wire;
    group.throughput(Throughput::Bytes(wire.len() as u64));
    group.bench_function("1 MB, memmem for the end alone", |bencher| {
        bencher.iter(|| memchr::memmem::find(black_box(&wire), b"\r\n.\r\n"));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    session(&mut criterion);
    data(&mut criterion);
    criterion.final_summary();
}
