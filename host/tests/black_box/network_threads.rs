//! Which of its threads the daemon serves clients by. With one core there is one thread, and nothing to choose.

use std::fs;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::support::{Client, Control, Setup};

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// How often a thread of this name has waited for something, by `/proc`.
#[track_caller]
fn waits(pid: u32, name: &str) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let statuses =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let own = statuses.into_iter().find(|status| status.starts_with(&format!("Name:\t{name}\n")));
    let own = own.unwrap_or_else(|| panic!("there is no thread {name}"));
    let line = own.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|line| line.trim().parse().ok()).expect("a number")
}

#[test]
fn a_daemon_with_time_serves_by_its_first_threads() {
    let threads = cores();
    let daemon = Setup::without_plugins().start();
    let now = || -> Vec<u64> {
        (0..threads).map(|thread| waits(daemon.pid(), &format!("net-{thread}"))).collect()
    };
    let (before, begin) = (now(), Instant::now());
    for _ in 0..100 {
        let mut client = daemon.client();
        client.expect("QUIT", "221 ");
    }
    let waited: Vec<u64> = now().iter().zip(before).map(|(now, before)| now - before).collect();
    println!("waited: {waited:?} times");
    let (first, others) = waited.split_at((threads / 4).max(1));
    assert!(first.iter().sum::<u64>() > 100, "the first have served nobody: {waited:?}");
    // Whether they hang is asked five times a second at the most, and the last thread does the asking.
    let asked = begin.elapsed().as_millis() as u64 / 200 + 2;
    assert!(others.iter().all(|waits| *waits <= 10 * asked), "{waited:?}");
    daemon.stop();
}

#[test]
fn a_thread_that_hangs_gets_no_clients_for_long() {
    if cores() == 1 {
        return println!("one core, one thread: all clients hang with it");
    }
    let control = Control::new();
    let daemon = Setup::chain("HangsInline|MailDir").control(&control).start();
    let mut client = Client::introduced(daemon.address());
    client.envelope("wrong@example.com", &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send("Subject: hello\r\n\r\nHello.\r\n.\r\n");
    let waiting = control.waiting_in("save");

    let begin = Instant::now();
    let mut others = Vec::new();
    loop {
        let mut other = Client::connect(daemon.address());
        if other.hears_within(Duration::from_millis(100)) {
            other.expect_reply("220 ");
            other.expect("QUIT", "221 ");
            break;
        }
        others.push(other);
        assert!(begin.elapsed() < SOON, "{} clients heard nothing", others.len());
    }
    println!("{} clients came too early, {:?}", others.len(), begin.elapsed());
    drop(waiting);
    client.expect_reply("250 2.0.0 ");
    daemon.stop();
}

/// The thread is given up after two seconds; these are many more.
const SOON: Duration = Duration::from_secs(20);
