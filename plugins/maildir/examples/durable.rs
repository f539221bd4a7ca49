//! Measures what a durable delivery costs: many clients at a time, mails of 10 KB, each in a synced file of a synced directory.
//!
//! `cargo run --release -p guerrilla-maildir --example durable -- DIRECTORY [CLIENTS] [MAILDIRS] [SECONDS]`. The directory must be on
//! the disk in question; `/tmp` often is none. The processor time is all of this process: that of the clients, who do next to
//! nothing, is in it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use guerrilla_plugin_api::testkit::{Harness, Mail};
use guerrilla_plugin_api::{Phase, Verdict};
use maildir::MailDir;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(directory) = args.next() else {
        eprintln!("usage: durable DIRECTORY [CLIENTS] [MAILDIRS] [SECONDS]");
        std::process::exit(64);
    };
    let mut number = |default: u64| args.next().map_or(default, |n| n.parse().expect("a number"));
    let (clients, maildirs, seconds) = (number(100), number(1), number(5));
    let root = tempfile::tempdir_in(directory).expect("a writable directory");
    let (delivered, took, busy) = run(root.path(), clients, maildirs, Duration::from_secs(seconds));
    println!(
        "{clients} clients, {maildirs} maildirs: {:.0} mails/s, {:.2} s of processor time for 10,000 mails",
        delivered as f64 / took.as_secs_f64(),
        busy.as_secs_f64() / delivered as f64 * 1e4,
    );
}

/// Mails delivered, in how much time, with how much processor time.
fn run(root: &Path, clients: u64, maildirs: u64, time: Duration) -> (u64, Duration, Duration) {
    let path = root.join("[user]");
    let config = serde_json::json!({ "maildir_path": path, "maildir_user_map": "*=-1:-1" });
    let maildir = Harness::<MailDir>::new(config).expect("a configuration that can be used");
    for number in 0..maildirs {
        assert!(maildir.deliver(mail(number)).is_accepted(), "{:?}", maildir.log());
    }
    let (delivered, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (begun, idle) = (Instant::now(), processor_time());
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (maildir, delivered, over) = (&maildir, &delivered, &over);
            scope.spawn(move || {
                let mut number = client;
                while !over.load(Ordering::Relaxed) {
                    let mut mail = maildir.begin(mail(number % maildirs));
                    assert_eq!(mail.ask(Phase::Save), Verdict::CONTINUE);
                    assert_eq!(mail.settle(&Verdict::CONTINUE), Verdict::CONTINUE);
                    delivered.fetch_add(1, Ordering::Relaxed);
                    number += clients + 1;
                }
            });
        }
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
    });
    (delivered.into_inner(), begun.elapsed(), processor_time() - idle)
}

fn mail(number: u64) -> Mail {
    let body = "A line of a mail that is neither long nor short, seventy-four octets.\r\n";
    Mail::new().to(format!("user{number}@example.com").as_str()).body(body.repeat(144).as_str())
}

fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("one's own");
    let of = |time: TimeVal| Duration::from_micros(time.num_microseconds().try_into().unwrap_or(0));
    of(usage.user_time()) + of(usage.system_time())
}
