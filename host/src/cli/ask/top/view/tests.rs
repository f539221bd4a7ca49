//! The page as it would stand in a terminal. `docs/pictures/top.txt` is one of them.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

use super::super::Seen;
use super::draw;
use crate::admin::Status;

/// A daemon that takes 1,200 messages a second, two seconds later.
fn status(second: u64) -> Status {
    let done = 12_000 + second * 1_200;
    let times = |each: f64| {
        json!({ "count": done, "sum": done as f64 * each,
            "buckets": [[each * 2.0, done * 9 / 10], [each * 8.0, done / 10], [null, 0]] })
    };
    let server = |listener: &str, open: u32, deferred: u64| {
        json!({ "listener": listener, "host_name": "mail.example.org", "connections": open,
            "connections_total": done / 10, "turned_away": 3, "bytes": done * 8_000,
            "messages": { "accepted": done, "deferred": deferred, "rejected": 17 },
            "commands": {}, "replies": {}, "closed": {}, "tls_failed": {},
            "limits": { "max_rcpt": 4, "timeout": 12 }, "tls": { "TLSv1.3": done / 20 },
            "times": times(0.0021) })
    };
    let stage = |name: &str, plugin: &str, each: f64, faults: u64| {
        json!({ "stage": name, "processor": name, "plugin": plugin, "version": "1.4.0", "generation": 2,
            "calls": done, "faults": faults, "faults_by_kind": {}, "in_flight": 7, "waiting": 0,
            "lost_workers": 0, "moved_to_pool": false, "times": times(each) })
    };
    let mut stages = vec![stage("HeadersParser", "", 2.4e-6, 0), stage("Header", "", 8e-7, 0)];
    stages.extend([stage("Hasher", "", 1.9e-6, 0), stage("spamcheck", "rspamd-check", 0.0011, 2)]);
    stages.push(stage("MailDir", "maildir", 0.00093, 0));
    let report = json!({ "version": "0.1.0", "pid": 4711, "now": 1000.0 + second as f64,
        "uptime": 273_600 + second, "ready": true, "unready": null,
        "servers": [server("0.0.0.0:25", 212, 40), server("unix:/run/lmtp", 3, 0)],
        "chains": {}, "stages": stages, "reloads": { "done": 4, "refused": 1, "last": null },
        "memory": { "messages": 1_500_000, "resident": 48_000_000 },
        "cpu_seconds": 100.0 + second as f64 * 0.37, "files": { "open": 260, "limit": 65_536 } });
    serde_json::from_value(report).expect("a status")
}

fn page(seen: &Seen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, seen)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width));
    let line = |row: &[ratatui::buffer::Cell]| {
        let text: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", text.trim_end())
    };
    rows.map(line).collect()
}

fn seen() -> Seen {
    let mut seen = Seen::default();
    seen.take(status(0));
    for second in 1..=40 {
        seen.take(status(second * 2 + u64::from(second % 3 == 0)));
    }
    seen
}

#[test]
fn the_picture_in_the_docs_is_this_page() {
    let page = page(&seen(), 118, 20);
    let kept = include_str!("../../../../../../docs/pictures/top.txt");
    assert!(page == kept, "docs/pictures/top.txt should be:\n{page}");
}

#[test]
fn rates_are_those_between_two_looks() {
    let mut seen = Seen::default();
    seen.take(status(0));
    seen.take(status(2));
    let page = page(&seen, 118, 20);
    assert!(page.contains("messages 2.40k/s"), "both servers:\n{page}");
    assert!(page.contains("cpu 37%"), "{page}");
    assert!(page.contains("+240/s"), "{page}");
}

#[test]
fn trouble_is_told_and_small_terminals_are_no_trouble() {
    let mut seen = seen();
    seen.trouble = Some("admin_listen unix:/run/x: nobody is there".to_owned());
    assert!(page(&seen, 80, 24).contains("nobody is there"));
    for (width, height) in [(1, 1), (20, 3), (40, 10), (300, 100)] {
        page(&seen, width, height);
    }
    // A daemon that has been started anew: no rates from before.
    seen.take(Status { pid: 1, ..status(90) });
    assert!(page(&seen, 118, 20).contains("messages 0/s"));
}
