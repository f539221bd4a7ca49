//! Durable messages through MailDir and SQLite, one at a time and many at once: what group commit gives.
//!
//! The processors are called as the daemon calls them, without SMTP. Files are below `CARGO_TARGET_DIR` (or the working
//! directory): have that on the disk you ask about.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use guerrilla_plugin_api::testkit::{Harness, Mail};
use guerrilla_plugin_api::{Batched, Plugin};
use maildir::MailDir;
use serde_json::json;
use sql::Sql;

/// The time that so many clients take for so many messages of 10 KB between them.
fn deliver<P: Plugin + Sync>(store: &Harness<P>, clients: u64, messages: u64) -> Duration {
    let mail = Mail::new().to("a@example.com").body(format!("{}\r\n", "x".repeat(70)).repeat(142));
    let (left, begun) = (AtomicU64::new(messages), Instant::now());
    thread::scope(|scope| {
        for _ in 0..clients.min(messages) {
            scope.spawn(|| {
                while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                    assert!(store.deliver(mail.clone()).is_accepted(), "{:?}", store.log());
                }
            });
        }
    });
    begun.elapsed()
}

fn measure<P: Plugin + Sync>(criterion: &mut Criterion, name: &str, store: &Harness<P>) {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements(1))
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    for clients in [1, 64] {
        group.bench_function(format!("{clients} at once"), |bencher| {
            bencher.iter_custom(|messages| deliver(store, clients, messages));
        });
    }
    group.finish();
}

fn stores(criterion: &mut Criterion) {
    let place = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| ".".into());
    let files = tempfile::tempdir_in(place).expect("a directory that can be written");
    let maildir =
        json!({ "maildir_path": files.path().join("[user]"), "maildir_user_map": "*=-1:-1" });
    measure(criterion, "MailDir", &harness::<Batched<MailDir>>(&maildir));
    let database = |name: &str, batch: u32| json!({ "sql_dsn": path(&files.path().join(name)), "sql_batch": batch });
    measure(criterion, "SQLite", &harness::<Batched<Sql>>(&database("batches", 256)));
    measure(criterion, "SQLite, one by one", &harness::<Batched<Sql>>(&database("single", 1)));
}

fn harness<P: Plugin>(settings: &serde_json::Value) -> Harness<P> {
    Harness::new(settings).expect("settings that can be used")
}

fn path(file: &Path) -> String {
    file.display().to_string()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    stores(&mut criterion);
    criterion.final_summary();
}
