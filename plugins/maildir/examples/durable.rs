//! Measures what a durable delivery costs: many clients at a time, mails of 10 KB, each in a synced file of a synced directory.
//!
//! `cargo run --release -p guerrilla-maildir --example durable -- DIRECTORY [CLIENTS] [MAILDIRS] [SECONDS] [ROUNDS]`. The directory must
//! be on the disk in question; `/tmp` often is none. Three ways take turns, so that what else the machine does befalls all:
//!
//! - `processor`: MailDir itself, with a thread for each client.
//! - `side by side`: its system calls alone, by so many threads as it has.
//! - `grouped`: one thread that writes a file for every client, syncs the file system, moves all, and syncs each directory once.
//!
//! The processor time is all of this process.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use guerrilla_plugin_api::testkit::{Harness, Mail};
use guerrilla_plugin_api::{Batched, Phase, Verdict};
use maildir::MailDir;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(directory) = args.next() else {
        eprintln!("usage: durable DIRECTORY [CLIENTS] [MAILDIRS] [SECONDS] [ROUNDS]");
        return ExitCode::from(64);
    };
    let mut number = |default: usize| args.next().map_or(default, |n| n.parse().expect("a number"));
    let (clients, maildirs) = (number(100), number(20));
    let (time, rounds) = (Duration::from_secs(number(2) as u64), number(5));
    let ways: [(&str, Way); 3] =
        [("processor", processor), ("side by side", side_by_side), ("grouped", grouped)];
    for _ in 0..rounds {
        for (name, way) in ways {
            let root = tempfile::tempdir_in(&directory).expect("a writable directory");
            let stop = Stop::after(time);
            let (begun, idle) = (Instant::now(), processor_time());
            let delivered = way(root.path(), clients, maildirs, &stop) as f64;
            let (took, busy) = (begun.elapsed().as_secs_f64(), processor_time() - idle);
            println!(
                "{name:>12}: {:6.0} mails/s, {:5.2} s of processor time for 10,000",
                delivered / took,
                busy.as_secs_f64() / delivered * 1e4,
            );
        }
    }
    ExitCode::SUCCESS
}

/// Delivers from so many clients into so many maildirs below a directory until it is to stop; answers how many mails.
type Way = fn(&Path, usize, usize, &Stop) -> u64;

fn processor(root: &Path, clients: usize, maildirs: usize, stop: &Stop) -> u64 {
    let config =
        serde_json::json!({ "maildir_path": root.join("[user]"), "maildir_user_map": "*=-1:-1" });
    let maildir =
        Harness::<Batched<MailDir>>::new(config).expect("a configuration that can be used");
    by_threads(clients, stop, |number| {
        let to = format!("user{}@example.com", number % maildirs);
        let mut mail = maildir.begin(Mail::new().to(&to).body(body()));
        assert_eq!(mail.ask(Phase::Save), Verdict::CONTINUE);
        assert_eq!(mail.settle(&Verdict::CONTINUE), Verdict::CONTINUE);
    })
}

fn side_by_side(root: &Path, clients: usize, maildirs: usize, stop: &Stop) -> u64 {
    let maildirs = Bare::make(root, maildirs);
    let body = body();
    by_threads(clients.min(THREADS), stop, |number| {
        let maildir = &maildirs[number % maildirs.len()];
        maildir.write(number, &body).sync_all().expect("a disk");
        maildir.deliver(number);
        maildir.handle.sync_all().expect("a disk");
    })
}

fn grouped(root: &Path, clients: usize, maildirs: usize, stop: &Stop) -> u64 {
    let maildirs = Bare::make(root, maildirs);
    let (body, mut delivered) = (body(), 0);
    while !stop.is_due() {
        let group = delivered..delivered + clients;
        let of = |number: usize| &maildirs[number % maildirs.len()];
        group.clone().for_each(|number| drop(of(number).write(number, &body)));
        nix::unistd::syncfs(&maildirs[0].handle).expect("a disk");
        group.clone().for_each(|number| of(number).deliver(number));
        for maildir in maildirs.iter().take(clients) {
            maildir.handle.sync_all().expect("a disk");
        }
        delivered = group.end;
    }
    delivered as u64
}

/// Calls from several threads, with a number of its own each time, until it is to stop; answers how many calls.
fn by_threads(threads: usize, stop: &Stop, call: impl Fn(usize) + Sync) -> u64 {
    let calls = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.is_due() {
                    call(calls.fetch_add(1, Ordering::Relaxed) as usize);
                }
            });
        }
    });
    calls.into_inner()
}

/// A maildir without a processor.
struct Bare {
    tmp: PathBuf,
    new: PathBuf,
    handle: File,
}

impl Bare {
    fn make(root: &Path, maildirs: usize) -> Vec<Self> {
        let make = |number: usize| {
            let path = |part| root.join(number.to_string()).join(part);
            let (tmp, new) = (path("tmp"), path("new"));
            fs::create_dir_all(&tmp).and_then(|()| fs::create_dir(&new)).expect("a directory");
            let handle = File::open(&new).expect("just made");
            Self { tmp, new, handle }
        };
        (0..maildirs).map(make).collect()
    }

    fn write(&self, number: usize, body: &str) -> File {
        let mut file = File::create_new(self.tmp.join(number.to_string())).expect("a new file");
        file.write_all(body.as_bytes()).expect("room");
        file
    }

    fn deliver(&self, number: usize) {
        let name = number.to_string();
        fs::rename(self.tmp.join(&name), self.new.join(&name)).expect("the same file system");
    }
}

/// When to end.
struct Stop(Instant);

impl Stop {
    fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.0
    }
}

fn body() -> String {
    "A line of a mail that is neither long nor short, seventy-four octets.\r\n".repeat(144)
}

fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("one's own");
    let of = |time: TimeVal| Duration::from_micros(time.num_microseconds().try_into().unwrap_or(0));
    of(usage.user_time()) + of(usage.system_time())
}

/// What a daemon has for a processor that blocks, on two processors.
const THREADS: usize = 16;
