//! Which of its threads the daemon serves clients by. With one core there is one thread, and nothing to choose.

use std::fs;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::support::{Client, Control, Setup};

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Processor time of the thread of this name so far, in nanoseconds (`schedstat`).
#[track_caller]
fn worked(pid: u32, name: &str) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let called = |task: &PathBuf| {
        fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let task = tasks.filter_map(|task| Some(task.ok()?.path())).find(called);
    let task = task.unwrap_or_else(|| panic!("there is no thread {name}"));
    let times = fs::read_to_string(task.join("schedstat")).expect("the kernel counts");
    times.split(' ').next().and_then(|time| time.parse().ok()).expect("a number")
}

/// What each of the threads worked while a hundred clients came, one behind the other; None: the daemon had no time to
/// spare, and took more threads than the first.
fn shares() -> Option<Vec<u64>> {
    let daemon = Setup::without_plugins().start();
    let now = || -> Vec<u64> {
        (0..cores()).map(|thread| worked(daemon.pid(), &format!("net-{thread}"))).collect()
    };
    let before = now();
    for _ in 0..100 {
        let mut client = daemon.client();
        client.expect("QUIT", "221 ");
    }
    let worked = now().iter().zip(before).map(|(now, before)| now - before).collect();
    let log = daemon.log().clone();
    daemon.stop();
    log.with("new connections go to").is_empty().then_some(worked)
}

#[test]
fn a_daemon_with_time_serves_by_its_first_threads() {
    let worked = (0..10).find_map(|_| shares()).expect("ten times it had no time");
    println!("worked: {worked:?} ns");
    let (first, others) = worked.split_at((cores() / 4).max(1));
    // The last one looks at the others now and then; a client costs it as much as the first.
    assert!(others.iter().sum::<u64>() < first.iter().sum::<u64>() / 4, "{worked:?} ns");
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
