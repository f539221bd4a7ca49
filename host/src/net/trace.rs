//! Showing an operator what one client and the daemon say to each other, while they do (`guerrillad trace`).
//!
//! Costs one look at a number for each turn of a conversation while nobody watches.
//!
//! *Never*: credentials and bodies. Of what the client says only what [`heard`] knows to be harmless is shown.
//!
//! *Limits*: so many watchers at a time ([`MOST`]); one who does not read fast enough loses lines and is told how many, the
//! connection never waits.

mod heard;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use guerrilla_smtp::Waiting;
use mail_parser::DateTime;
use tokio::sync::mpsc;

use crate::mail::Client;

/// All who watch.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    number: AtomicUsize,
    all: Mutex<Vec<Watcher>>,
}

#[derive(Debug)]
struct Watcher {
    ip: IpAddr,
    lines: mpsc::Sender<String>,
    lost: u64,
}

impl Watchers {
    /// Watches the clients of this address from now on, until the receiver is dropped; none when there are too many
    /// already.
    pub(crate) fn watch(&self, ip: IpAddr) -> Option<mpsc::Receiver<String>> {
        let mut all = self.lock();
        all.retain(|watcher| !watcher.lines.is_closed());
        let (lines, receiver) = mpsc::channel(MOST_UNREAD);
        let place = all.len() < MOST;
        if place {
            all.push(Watcher { ip: ip.to_canonical(), lines, lost: 0 });
        }
        self.number.store(all.len(), Ordering::Relaxed);
        place.then_some(receiver)
    }

    /// Whether anybody watches anyone.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.number.load(Ordering::Relaxed) > 0
    }

    /// One command line, or bytes of a message, which the session has taken in while it waited for this.
    #[cold]
    pub(super) fn heard(&self, client: &Client, waiting: Waiting, piece: &[u8]) {
        if self.knows(client) {
            self.tell(client, format_args!("C: {}", heard::shown(waiting, piece)));
        }
    }

    /// Replies that are going out.
    #[cold]
    pub(super) fn said(&self, client: &Client, replies: &[u8]) {
        if self.knows(client) {
            for line in replies.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                self.tell(client, format_args!("S: {}", heard::printable(line.trim_ascii_end())));
            }
        }
    }

    /// What has happened beside what was said.
    pub(super) fn note(&self, client: &Client, what: impl fmt::Display) {
        if self.any() && self.knows(client) {
            self.tell(client, format_args!("-- {what}"));
        }
    }

    fn knows(&self, client: &Client) -> bool {
        let ip = address(client);
        self.lock().iter().any(|watcher| Some(watcher.ip) == ip)
    }

    fn tell(&self, client: &Client, what: fmt::Arguments<'_>) {
        let mut all = self.lock();
        let ip = address(client);
        let line = format!("{} {} {what}\n", time(), client.session);
        all.retain_mut(|watcher| Some(watcher.ip) != ip || watcher.take(&line));
        self.number.store(all.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Gives it a line if it has room for one; `false` when it is gone.
    fn take(&mut self, line: &str) -> bool {
        if self.lost > 0 {
            let note = format!("-- {} lines were lost here\n", self.lost);
            if self.lines.try_send(note).is_ok() {
                self.lost = 0;
            }
        }
        let sent = self.lost == 0 && self.lines.try_send(line.to_owned()).is_ok();
        self.lost += u64::from(!sent);
        !self.lines.is_closed()
    }
}

fn address(client: &Client) -> Option<IpAddr> {
    client.remote.map(|remote| remote.ip().to_canonical())
}

/// `12:34:56`, UTC as in the log.
fn time() -> String {
    let now = crate::admin::since_1970().as_secs();
    let time = DateTime::from_timestamp(i64::try_from(now).unwrap_or_default());
    format!("{:02}:{:02}:{:02}", time.hour, time.minute, time.second)
}

/// Who may watch at a time.
const MOST: usize = 8;

/// Lines that wait for a watcher.
const MOST_UNREAD: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        let remote = Some(address.parse().unwrap());
        Client::new("127.0.0.1:25".into(), "mail.example".into(), remote, None)
    }

    #[test]
    fn only_the_clients_of_one_address_are_shown() {
        let watchers = Watchers::default();
        assert!(!watchers.any());
        let mut lines = watchers.watch("192.0.2.1".parse().unwrap()).unwrap();
        assert!(watchers.any());
        watchers.heard(&client("[::ffff:192.0.2.1]:25"), Waiting::Command, b"NOOP\r\n");
        watchers.heard(&client("192.0.2.2:25"), Waiting::Command, b"QUIT\r\n");
        watchers.said(&client("192.0.2.1:25"), b"250-a\r\n250 b\x1b\r\n");
        let mut said = Vec::new();
        while let Ok(line) = lines.try_recv() {
            said.push(line.splitn(3, ' ').nth(2).unwrap().to_owned());
        }
        assert_eq!(said, ["C: NOOP\n", "S: 250-a\n", "S: 250 b\\u{1b}\n"]);
        drop(lines);
        watchers.said(&client("192.0.2.1:25"), b"250 b\r\n");
        assert!(!watchers.any(), "whoever has gone costs nothing any more");
    }

    #[test]
    fn whoever_does_not_read_loses_lines_and_is_told() {
        let watchers = Watchers::default();
        let ip = "192.0.2.1".parse().unwrap();
        let mut lines = watchers.watch(ip).unwrap();
        let client = client("192.0.2.1:25");
        for _ in 0..MOST_UNREAD + 3 {
            watchers.note(&client, "opened");
        }
        assert!(lines.try_recv().unwrap().ends_with("-- opened\n"));
        assert!(lines.try_recv().unwrap().ends_with("-- opened\n"));
        watchers.note(&client, "closed");
        let mut last = Vec::new();
        while let Ok(line) = lines.try_recv() {
            last.push(line);
        }
        assert_eq!(last[last.len() - 2], "-- 3 lines were lost here\n");
        assert!(last[last.len() - 1].ends_with("-- closed\n"));
        let more: Vec<_> = (0..MOST).map_while(|_| watchers.watch(ip)).collect();
        assert_eq!(more.len(), MOST - 1, "one was there already");
    }
}
