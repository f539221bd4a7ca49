//! The built-in chain over a message of 10 KB, without SMTP and without a store: what each stage adds.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use guerrilla::measuring::{BuiltInChain, Message};

fn chains(criterion: &mut Criterion) {
    let header = "Received: from client.example.org by mail.example.com; Mon, 2 Nov 2026 10:00:00 +0000\r\n\
        From: Sender <sender@example.org>\r\nTo: Test <test@example.com>\r\nSubject: A message as most are\r\n\
        Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n";
    let content = header.to_owned() + &format!("{}\r\n", "x".repeat(70)).repeat(142);
    let message = Message::new(content.as_bytes()).expect("room for a message");
    let mut group = criterion.benchmark_group("built-in chain, 10 KB");
    group.throughput(Throughput::Elements(1));
    for names in ["HeadersParser", "HeadersParser|Header", "HeadersParser|Header|Hasher"] {
        let chain = BuiltInChain::new(names).expect("a chain that can be built");
        group.bench_function(names, |bencher| {
            let make = || message.again();
            bencher.iter_batched(
                make,
                |mail| assert!(chain.save(black_box(mail))),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    chains(&mut criterion);
    criterion.final_summary();
}
