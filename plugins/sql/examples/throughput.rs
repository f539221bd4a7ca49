//! Messages a second into a database: `throughput CONFIG [CLIENTS [SECONDS [BYTES]]]`, CONFIG being the processor's keys as JSON.
//!
//! As many clients as said deliver one message after the other, without SMTP between them and the processor.
//! `host/tests/stores/throughput.py` runs it against private servers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guerrilla_plugin_api::Batched;
use guerrilla_plugin_api::testkit::{Harness, Mail};
use sql::Sql;

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let config = arguments.next().ok_or("usage: throughput CONFIG [CLIENTS [SECONDS [BYTES]]]")?;
    let mut number = |otherwise: usize| match arguments.next() {
        Some(text) => text.parse().map_err(|_| format!("{text:?} is no number")),
        None => Ok(otherwise),
    };
    let (clients, seconds, bytes) = (number(50)?, number(5)?, number(10_000)?);
    let store = Harness::<Batched<Sql>>::new(config)?;
    let mail = Mail::new()
        .subject("throughput")
        .body(format!("{}\r\n", "x".repeat(70)).repeat(bytes / 72));
    let (stored, deferred) = (AtomicU64::new(0), AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(seconds as u64);
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while Instant::now() < until {
                    let delivered = store.deliver(mail.clone()).is_accepted();
                    let count = if delivered { &stored } else { &deferred };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (stored, batches) = (stored.into_inner(), store.counter("batches").max(1));
    println!(
        "{} messages/s, {:.1} in a transaction, {} deferred",
        stored / seconds as u64,
        stored as f64 / batches as f64,
        deferred.into_inner()
    );
    Ok(())
}
