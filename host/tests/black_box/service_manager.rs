//! What the daemon tells the service manager that has started it (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Client, Control, PATIENCE, Setup};

const MESSAGE: &str = "Subject: hello\r\n\r\nHello.\r\n";

/// The socket that a service manager is told on.
struct Manager(UnixDatagram);

impl Manager {
    /// Listens, and has the daemon know of it.
    fn of(setup: Setup, more: &[&str]) -> (Self, Setup) {
        let path = setup.dir().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a fresh socket");
        let variable = format!("NOTIFY_SOCKET={}", path.display());
        let words = [&["env", &variable], more].concat();
        let setup = setup.started_by(&words);
        (Self(socket), setup)
    }

    /// The next message within so long; what is put into keeping is another test's.
    fn hears_within(&self, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            self.0.set_read_timeout(Some(left.max(Duration::from_millis(1)))).expect("a timeout");
            let mut buffer = [0; 4096];
            let length = self.0.recv(&mut buffer).ok()?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !text.contains("FDSTORE=1") {
                return Some(text);
            }
        }
    }

    /// The next one with this in it, whatever comes before.
    #[track_caller]
    fn wait_for(&self, word: &str) -> String {
        loop {
            let text = self.hears_within(PATIENCE).unwrap_or_else(|| panic!("never {word}"));
            if text.lines().any(|line| line.starts_with(word)) {
                return text;
            }
        }
    }
}

#[test]
fn the_whole_life_is_told() {
    let (manager, setup) = Manager::of(Setup::without_plugins(), &[]);
    let mut daemon = setup.start();
    assert_eq!(manager.wait_for(""), "READY=1\nSTATUS=listening on 127.0.0.1:0\n");

    let mut times = Vec::new();
    for _ in 0..2 {
        daemon.reload().expect("reloaded");
        let reloading = manager.wait_for("");
        assert!(reloading.starts_with("RELOADING=1\n"), "{reloading}");
        let time = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        times.push(time.expect("the time").parse::<u64>().expect("a number"));
        assert_eq!(manager.wait_for(""), "READY=1\nSTATUS=listening on 127.0.0.1:0\n");
    }
    assert!(0 < times[0] && times[0] < times[1], "{times:?}");

    daemon.put_config("{");
    daemon.reload().expect_err("no JSON");
    manager.wait_for("RELOADING=1");
    let status = manager.wait_for("READY=1");
    assert!(status.contains("; the last reload was refused: "), "{status}");

    daemon.signal(Signal::SIGTERM);
    let stopping = manager.wait_for("");
    assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
    assert_eq!(daemon.exit_code(), Some(0));
}

#[test]
fn a_manager_that_is_gone_keeps_nothing_from_working() {
    let (manager, setup) = Manager::of(Setup::without_plugins(), &[]);
    let socket = setup.dir().join("notify");
    drop(manager);
    std::fs::remove_file(socket).expect("there");
    let daemon = setup.start();
    daemon.log().wait_for("the service manager cannot be told (NOTIFY_SOCKET): ");
    daemon.client().expect("NOOP", "250 ");
    daemon.stop();
}

/// A thread that serves connections and does not answer must be noticed, while all the others do.
#[test]
fn the_watchdog_is_fed_while_every_thread_is_alive() {
    let control = Control::new();
    let setup = Setup::chain("HangsInline|MailDir").control(&control);
    let (manager, setup) = Manager::of(setup, &["WATCHDOG_USEC=300000"]);
    let daemon = setup.start();
    manager.wait_for("READY=1");
    let begin = Instant::now();
    for _ in 0..5 {
        manager.wait_for("WATCHDOG=1");
    }
    assert!(begin.elapsed() >= Duration::from_millis(300), "fed all the time");

    let mut client = Client::introduced(daemon.address());
    client.envelope("wrong@example.com", &["test@example.test"]);
    client.expect("DATA", "354 ");
    client.send(format!("{MESSAGE}.\r\n"));
    let waiting = control.waiting_in("save");
    // What was on its way has been said before the second one is waited for in vain.
    while manager.hears_within(Duration::from_millis(900)).is_some() {}
    drop(waiting);
    client.expect_reply("250 2.0.0 ");
    manager.wait_for("WATCHDOG=1");
    daemon.stop();
}

#[test]
fn a_watchdog_of_another_process_is_none_of_ours() {
    let (manager, setup) =
        Manager::of(Setup::without_plugins(), &["WATCHDOG_USEC=1000", "WATCHDOG_PID=1"]);
    let daemon = setup.start();
    manager.wait_for("READY=1");
    assert_eq!(manager.hears_within(Duration::from_millis(200)), None);
    daemon.stop();
}
